"""Names of predictors' Services inside commands: there is no DNS here, and no kube-proxy.

services_in("grpc://mnist-predictor.serving.svc:9000")      # what is named
replace_services(text, {named: "127.64.0.2:8080"})
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ServiceName", "backend_address", "replace_services", "services_in"]

_METRICS = "metrics"
_NAMED = re.compile(
    r"(?<![\w.-])([a-z0-9-]+-predictor)\.([a-z0-9-]+)\.svc(?:\.cluster\.local\.?)?(?::(\d+))?(?![\w.-])"
)
_HTTP = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceName:
    """A Service's name with a port, as it is written somewhere."""

    name: str
    namespace: str
    port: int


def services_in(text: str) -> set[ServiceName]:
    """The predictors' Services that the text names; 80 where it names no port."""
    return {_named(match) for match in _NAMED.finditer(text)}


def replace_services(text: str, addresses: Mapping[ServiceName, str]) -> str:
    """The text with `host:port` in place of each name that has one; other names stay, and do not resolve."""

    def place(match: re.Match[str]) -> str:
        return addresses.get(_named(match), match.group(0))

    return _NAMED.sub(place, text)


def backend_address(named: ServiceName, service: Mapping[str, Any], *, gateway: str, pod: str | None) -> str:
    """The address that a connection to the Service reaches.

    Args:
        named: The Service and the port that is asked for.
        service: Its manifest.
        gateway: host:port of the gateway, which stands for inference over HTTP and gRPC.
        pod: Address of one ready pod of the Service, for its metrics; None if no pod is ready.

    Returns:
        host:port. If the Service has no such port, or no pod is ready, a port that refuses connections, as on a
        cluster.
    """
    unreachable = f"{gateway.rpartition(':')[0]}:1"
    headless = service["spec"].get("clusterIP") == "None"
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort", port["port"])
        # Without an address of its own, a Service's name leads to the pods: to their ports.
        if named.port != (target if headless and isinstance(target, int) else port["port"]):
            continue
        if _METRICS in {port.get("name"), target} or target == 8002:
            return f"{pod}:{named.port}" if pod else unreachable
        return gateway
    return unreachable


def _named(match: re.Match[str]) -> ServiceName:
    return ServiceName(name=match.group(1), namespace=match.group(2), port=int(match.group(3) or _HTTP))
