"""The network of pods: a loopback address for each, and addresses for names of Services, since there is no DNS here.

    addresses = PodAddresses("127.64")
    addresses.take()                                            # 127.64.1.1
    services_in("grpc://mnist-predictor.serving.svc:9000")      # what is named
    replace_services(text, {named: "127.64.0.2:8080"})

There is no kube-proxy either: a Service's address is the gateway's, or that of one ready pod.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

from rehearsal.errors import ClusterError

__all__ = ["PodAddresses", "ServiceName", "backend_address", "replace_services", "services_in"]

_METRICS = "metrics"
_NAMED = re.compile(
    r"(?<![\w.-])([a-z0-9-]+-predictor)\.([a-z0-9-]+)\.svc(?:\.cluster\.local\.?)?(?::(\d+))?(?![\w.-])"
)
_HTTP = 80

_HOSTS = tuple(product(range(1, 255), range(1, 255)))


class PodAddresses:
    """The addresses `<network>.1.1` to `<network>.254.254`.

    They are assigned in turn, so that a released address is not reused soon: clients keep connections, and Prometheus
    keeps series, for a while.
    """

    def __init__(self, network: str) -> None:
        self._network = network
        self._taken: set[str] = set()
        self._next = 0
        self._lock = threading.Lock()

    def take(self, preferred: str | None = None) -> str:
        """An address that no other pod has.

        Args:
            preferred: The pod's previous address; used unless it is taken or outside the network.

        Raises:
            ClusterError: All of them are taken.
        """
        with self._lock:
            if preferred and preferred.startswith(f"{self._network}.") and preferred not in self._taken:
                self._taken.add(preferred)
                return preferred
            for place in chain(range(self._next, len(_HOSTS)), range(self._next)):
                third, fourth = _HOSTS[place]
                address = f"{self._network}.{third}.{fourth}"
                if address not in self._taken:
                    self._next = (place + 1) % len(_HOSTS)
                    self._taken.add(address)
                    return address
        raise ClusterError(f"all {len(_HOSTS)} addresses for pods in {self._network}.0.0/16 are taken: delete pods")

    def release(self, address: str) -> None:
        """Release an address."""
        with self._lock:
            self._taken.discard(address)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceName:
    """A Service's name with a port."""

    name: str
    namespace: str
    port: int


def services_in(text: str) -> set[ServiceName]:
    """The predictors' Services in a text; the port defaults to 80."""
    return {_named(match) for match in _NAMED.finditer(text)}


def replace_services(text: str, addresses: Mapping[ServiceName, str]) -> str:
    """The text with `host:port` in place of each known name; other names stay, and do not resolve."""

    def place(match: re.Match[str]) -> str:
        return addresses.get(_named(match), match.group(0))

    return _NAMED.sub(place, text)


def backend_address(named: ServiceName, service: Mapping[str, Any], *, gateway: str, pod: str | None) -> str:
    """The address that a connection to the Service reaches.

    Args:
        named: The Service and port.
        service: Its manifest.
        gateway: host:port of the gateway, used for inference over HTTP and gRPC.
        pod: Address of one ready pod of the Service, for its metrics; None if no pod is ready.

    Returns:
        host:port. If the Service has no such port, or no pod is ready, a port that refuses connections, as on a
        cluster.
    """
    unreachable = f"{gateway.rpartition(':')[0]}:1"
    headless = service["spec"].get("clusterIP") == "None"
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort", port["port"])
        # A headless Service's name resolves to the pods, so their ports apply.
        if named.port != (target if headless and isinstance(target, int) else port["port"]):
            continue
        if _METRICS in {port.get("name"), target} or target == 8002:
            return f"{pod}:{named.port}" if pod else unreachable
        return gateway
    return unreachable


def _named(match: re.Match[str]) -> ServiceName:
    return ServiceName(name=match.group(1), namespace=match.group(2), port=int(match.group(3) or _HTTP))
