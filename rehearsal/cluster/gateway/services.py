"""The gateway's view of the cluster: InferenceServices, their ready pods, and the HTTPRoutes to them.

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
"""Ports of the Service and of the pods, as in the serving chart."""

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
    """One path of a rule: exact, or a prefix."""

    path: str
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of an HTTPRoute to a predictor.

    Attributes:
        hostnames: Host names; () matches all. May begin with `*.`.
        paths: Paths that match.
        grpc: Whether requests go to the pods' gRPC port, from the port of the backend.
        timeout_s: Time-out of the request including retries; 0 for none, None for the gateway's default.
    """

    hostnames: tuple[str, ...]
    paths: tuple[PathMatch, ...]
    grpc: bool
    timeout_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One InferenceService.

    Attributes:
        namespace: Its namespace.
        name: Name of the InferenceService; its Service is `<name>-predictor`.
        endpoints: The pods that get requests, by address.
        rules: Its HTTPRoute rules, in the order of the routes' names.
    """

    namespace: str
    name: str
    endpoints: tuple[Endpoint, ...]
    rules: tuple[Rule, ...] = ()


def known_services(pods: Snapshot, inference_services: Snapshot, routes: Snapshot) -> tuple[Service, ...]:
    """Build the gateway's services from the API server's objects.

    A service without ready pods has no endpoints. Pods whose InferenceService is not known yet count too.

    Args:
        pods: Pods with the label `serving.kserve.io/inferenceservice`.
        inference_services: All InferenceServices.
        routes: HTTPRoutes.

    Returns:
        Services, ordered by namespace and name.
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
    """As in the EndpointSlice controller: ready, with an address, and not terminating."""
    status = pod.get("status", {})
    conditions = status.get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and bool(status.get("podIP")) and "deletionTimestamp" not in pod["metadata"]


def _rules(route: Mapping[str, Any]) -> Iterable[tuple[tuple[str, str], Rule]]:
    """Rules of one HTTPRoute, each with namespace and name of its InferenceService."""
    spec = route["spec"]
    for rule in spec.get("rules", []):
        for backend in rule.get("backendRefs", [])[:1]:  # the chart never splits traffic
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
