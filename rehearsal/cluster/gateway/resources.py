"""Envoy's resources for the services that the gateway knows: one file each, in the order in which to write them.

    for name, text in resource_files(services).items(): ...        # pure

Load balancing is least-request of two random choices. A request that fails before a response is retried twice on other
pods, as a service mesh does for idempotent requests such as classifying an image.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rehearsal.cluster.connection import GATEWAY_READY_PATH
from rehearsal.cluster.gateway.services import GRPC_PORT, PathMatch, Rule, Service

__all__ = ["CLUSTERS_FILE", "ROUTES_FILE", "ROUTE_NAME", "cluster_name", "resource_files"]

CLUSTERS_FILE: Final = "clusters.json"
ROUTES_FILE: Final = "routes.json"
ROUTE_NAME: Final = "gateway"
HTTP_PORT: Final = 8080

_API: Final = "type.googleapis.com/envoy"
_TIMEOUT_S: Final = 15.0
_LARGE: Final = 1_000_000
_RETRIES: Final = {
    # `reset` includes connect-failure and refused-stream; `unavailable` (gRPC) and 503 (HTTP) mean "try another pod".
    "retry_on": "connect-failure,refused-stream,reset,unavailable,retriable-status-codes",
    "retriable_status_codes": [503],
    "num_retries": 2,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": f"{_API}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            },
        }
    ],
    # A dead pod has the fewest requests in flight, so with two pods three picks in four choose it again: after five
    # of them one retry in four went there.
    "host_selection_retry_max_attempts": 30,
    # Another pod is asked, so there is nothing to wait for: Envoy's default is up to 25 ms, then 75 ms.
    "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.05s"},
}


def resource_files(services: Sequence[Service], folder: str) -> dict[str, str]:
    """Text by file name; endpoints before the clusters that read them, clusters before the routes that use them.

    Args:
        services: The first one gets requests with an unknown Host.
        folder: Folder of the files, as Envoy sees it.
    """
    files: dict[str, str] = {}
    clusters: list[dict[str, Any]] = []
    for service in services:
        for grpc in (False, True):
            name = cluster_name(service, grpc=grpc)
            file = f"endpoints-{service.namespace}.{service.name}-{'grpc' if grpc else 'http'}.json"
            files[file] = _response("config.endpoint.v3.ClusterLoadAssignment", [_endpoints(service, name, grpc=grpc)])
            clusters.append(_cluster(name, f"{folder}/{file}", grpc=grpc))
    files[CLUSTERS_FILE] = _response("config.cluster.v3.Cluster", clusters)
    routes = {"name": ROUTE_NAME, "virtual_hosts": _virtual_hosts(services)}
    files[ROUTES_FILE] = _response("config.route.v3.RouteConfiguration", [routes])
    return files


def cluster_name(service: Service, *, grpc: bool) -> str:
    """Name of the Envoy cluster for one of the two ports of a service's pods."""
    return f"{service.namespace}/{service.name}/{'grpc' if grpc else 'http'}"


def _response(kind: str, resources: Iterable[dict[str, Any]]) -> str:
    return json.dumps({"resources": [{"@type": f"{_API}.{kind}", **resource} for resource in resources]}, indent=1)


def _endpoints(service: Service, name: str, *, grpc: bool) -> dict[str, Any]:
    port = GRPC_PORT if grpc else HTTP_PORT
    hosts = [
        {
            "endpoint": {
                "address": {"socket_address": {"address": endpoint.address, "port_value": port}},
                "hostname": endpoint.pod,
            }
        }
        for endpoint in service.endpoints
    ]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}] if hosts else []}


def _cluster(name: str, endpoints_file: str, *, grpc: bool) -> dict[str, Any]:
    protocol: dict[str, Any] = {"http2_protocol_options": {}} if grpc else {"http_protocol_options": {}}
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": {"path_config_source": {"path": endpoints_file}}},
        "lb_policy": "LEAST_REQUEST",
        "least_request_lb_config": {"choice_count": 2},
        # All pods run on this machine, so they respond at once or are dead.
        "connect_timeout": "0.5s",
        # Ejected pods stay ejected while another pod remains; with none left, all are tried.
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        "circuit_breakers": {"thresholds": [_limits()]},
        "outlier_detection": _outliers(),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_API}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": protocol,
                "common_http_protocol_options": {"idle_timeout": "60s"},
            }
        },
    }


def _limits() -> dict[str, Any]:
    """No circuit breaker limits: requests queue in the pods. Envoy's default is 1024 requests, and 3 retries."""
    return {
        "max_connections": _LARGE,
        "max_pending_requests": _LARGE,
        "max_requests": _LARGE,
        # When a node fails, its share of the requests in flight is retried at once: up to half of all.
        "retry_budget": {"budget_percent": {"value": 50}, "min_retry_concurrency": 200},
    }


def _outliers() -> dict[str, Any]:
    """Outlier detection of unreachable pods: a lost node's pods are listed as ready for most of a minute.

    Responses never count: 503 from a full queue must not send all requests to the other pods.
    """
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 3,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": "1s",
        "base_ejection_time": "5s",
        "max_ejection_time": "30s",
        "max_ejection_percent": 100,
    }


def _virtual_hosts(services: Sequence[Service]) -> list[dict[str, Any]]:
    """Virtual hosts by hostname of HTTPRoutes and by name of the Service, and one for every other Host.

    Each domain occurs once: routes before names of Services, earlier services before later ones.
    """
    routes: dict[str, list[dict[str, Any]]] = {}
    for service in services:
        for rule in service.rules:
            for hostname in rule.hostnames or ("*",):
                routes.setdefault(hostname, []).extend(_routed(service, rule))
    for service in services:
        short = f"{service.name}-predictor.{service.namespace}"
        for domain in (short, f"{short}.svc", f"{short}.svc.cluster.local"):
            routes.setdefault(domain, _everything(service))
    routes.setdefault("*", _everything(services[0]) if services else [])
    return [
        {"name": domain, "domains": [domain], "routes": [_ready(), *sorted(found, key=_specificity)]}
        for domain, found in routes.items()
    ]


def _specificity(route: dict[str, Any]) -> tuple[int, int]:
    """Gateway API: an exact path wins, then the longest prefix; Envoy takes the first match."""
    match = route["match"]
    if "path" in match:
        return 0, 0
    return 1, -len(match.get("path_separated_prefix", ""))


def _ready() -> dict[str, Any]:
    return {
        "match": {"path": GATEWAY_READY_PATH},
        "direct_response": {"status": 200, "body": {"inline_string": "ready\n"}},
    }


def _everything(service: Service) -> list[dict[str, Any]]:
    """Routes of gRPC to the gRPC port, and of everything else to the HTTP port."""
    return [
        _route({"prefix": "/", "grpc": {}}, service, grpc=True, timeout_s=None),
        _route({"prefix": "/"}, service, grpc=False, timeout_s=None),
    ]


def _routed(service: Service, rule: Rule) -> list[dict[str, Any]]:
    return [_route(_match(path), service, grpc=rule.grpc, timeout_s=rule.timeout_s) for path in rule.paths]


def _match(path: PathMatch) -> dict[str, Any]:
    if path.exact:
        return {"path": path.path}
    prefix = path.path.rstrip("/")
    return {"path_separated_prefix": prefix} if prefix else {"prefix": "/"}


def _route(match: dict[str, Any], service: Service, *, grpc: bool, timeout_s: float | None) -> dict[str, Any]:
    return {
        "match": match,
        "route": {
            "cluster": cluster_name(service, grpc=grpc),
            "timeout": f"{_TIMEOUT_S if timeout_s is None else timeout_s:g}s",
            "retry_policy": _RETRIES,
        },
    }
