"""What a gateway knows of the cluster: InferenceServices, their ready pods, and the HTTPRoutes to them.

services = known_services(pods, inference_services, routes)      # pure; from the API server's objects
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from rehearsal.cluster.api.watch import Snapshot

__all__ = ["Endpoint", "PathMatch", "Rule", "Service", "known_services"]

SERVICE_LABEL: Final = "serving.kserve.io/inferenceservice"
GRPC_PORT: Final = 9000
"""Of the Service and of the pods alike, as the serving chart has it."""

_DURATION = re.compile(r"(\d+)(h|ms|m|s)")
_UNIT_S: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Endpoint:
    """One ready pod.

    Attributes:
        address: The pod's IP address.
        pod: The pod's name.
    """

    address: str
    pod: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathMatch:
    """One path of a rule: exactly this one, or this one and everything below."""

    path: str
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of an HTTPRoute to a predictor.

    Attributes:
        hostnames: Whose requests; () is everybody's. May begin with `*.`.
        paths: Which requests.
        grpc: Whether they go to the pods' gRPC port, by the port of the backend.
        timeout_s: For the whole request, retries among it; 0 is none, None is the gateway's default.
    """

    hostnames: tuple[str, ...]
    paths: tuple[PathMatch, ...]
    grpc: bool
    timeout_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One InferenceService.

    Attributes:
        namespace: Where it is.
        name: Of the InferenceService; its Service is `<name>-predictor`.
        endpoints: The pods that get requests, by address.
        rules: What HTTPRoutes say of it, in the order of the routes' names.
    """

    namespace: str
    name: str
    endpoints: tuple[Endpoint, ...]
    rules: tuple[Rule, ...] = ()


def known_services(pods: Snapshot, inference_services: Snapshot, routes: Snapshot) -> tuple[Service, ...]:
    """Put together what the gateway sends requests by.

    A service without ready pods is one without endpoints. Pods whose InferenceService is not seen (yet) count too.

    Args:
        pods: With the label `serving.kserve.io/inferenceservice`.
        inference_services: All of them.
        routes: HTTPRoutes.

    Returns:
        By namespace and name.
    """
    endpoints: dict[tuple[str, str], list[Endpoint]] = {key: [] for key in inference_services}
    for (namespace, pod), item in pods.items():
        name = item["metadata"].get("labels", {}).get(SERVICE_LABEL)
        if name:
            known = endpoints.setdefault((namespace, name), [])
            if _gets_requests(item):
                known.append(Endpoint(address=item["status"]["podIP"], pod=pod))
    rules: dict[tuple[str, str], list[Rule]] = {key: [] for key in endpoints}
    for service, rule in chain.from_iterable(_rules(routes[key]) for key in sorted(routes)):
        if service in rules:
            rules[service].append(rule)
    return tuple(
        Service(namespace=key[0], name=key[1], endpoints=tuple(sorted(endpoints[key])), rules=tuple(rules[key]))
        for key in sorted(endpoints)
    )


def _gets_requests(pod: Mapping[str, Any]) -> bool:
    """As the EndpointSlice controller decides: ready, with an address, and not on its way out."""
    status = pod.get("status", {})
    conditions = status.get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and bool(status.get("podIP")) and "deletionTimestamp" not in pod["metadata"]


def _rules(route: Mapping[str, Any]) -> Iterable[tuple[tuple[str, str], Rule]]:
    """Rules of one HTTPRoute, each with namespace and name of the InferenceService that it leads to."""
    spec = route["spec"]
    for rule in spec.get("rules", []):
        for backend in rule.get("backendRefs", [])[:1]:  # the chart never splits requests
            name = backend["name"].removesuffix("-predictor")
            yield (
                (backend.get("namespace", route["metadata"]["namespace"]), name),
                Rule(
                    hostnames=tuple(spec.get("hostnames", ())),
                    paths=tuple(map(_path, rule.get("matches") or [{}])),
                    grpc=backend.get("port") == GRPC_PORT,
                    timeout_s=_seconds(rule.get("timeouts", {}).get("request")),
                ),
            )


def _path(match: Mapping[str, Any]) -> PathMatch:
    path = match.get("path", {})
    return PathMatch(path=path.get("value", "/"), exact=path.get("type") == "Exact")


def _seconds(duration: str | None) -> float | None:
    """A duration of the Gateway API, such as 1m30s."""
    if duration is None:
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in _DURATION.findall(duration))
