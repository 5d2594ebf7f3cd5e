"""What Envoy counted, for a report: requests, retries, and how they are spread over the pods.

stats = await gateway_stats(connection)
stats.retries, {endpoint.address: endpoint.active for endpoint in stats.endpoints}
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import httpx

from rehearsal.cluster.connection import Connection
from rehearsal.cluster.gateway.envoy import ADMIN_FILE, gateway_folder
from rehearsal.errors import NotHealthy

__all__ = ["EndpointStats", "GatewayStats", "gateway_stats", "read_stats"]

_COUNTED: Final = {
    "upstream_rq_total": "requests",
    "upstream_rq_retry": "retries",
    "upstream_rq_retry_success": "retries_that_helped",
    "upstream_rq_retry_limit_exceeded": "retries_in_vain",
    "upstream_rq_retry_overflow": "retries_over_budget",
    "upstream_cx_none_healthy": "without_pod",
}
_COUNTER: Final = re.compile(rf"cluster\.[^.]+\.(?P<name>{'|'.join(_COUNTED)})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointStats:
    """One port of one pod, while it is a ready one.

    Attributes:
        cluster: `namespace/name/grpc` or `namespace/name/http`.
        address: host:port.
        active: Requests under way.
        requests: Since the pod got ready; a retry is one more.
        failed: Of these, those that ended with a reset or with 5xx.
        set_aside: Whether Envoy keeps requests from it, since it could not be reached.
    """

    cluster: str
    address: str
    active: int
    requests: int
    failed: int
    set_aside: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayStats:
    """Counted since Envoy was started, over all services that are still there.

    Attributes:
        requests: Sent to pods; a retry is one more.
        retries: Second and third tries.
        retries_that_helped: Those that a pod answered.
        retries_in_vain: Requests that failed after the last try.
        retries_over_budget: Tries that were not made, since too many others were under way.
        without_pod: Requests that no pod could be found for.
        endpoints: The ready pods.
    """

    requests: int = 0
    retries: int = 0
    retries_that_helped: int = 0
    retries_in_vain: int = 0
    retries_over_budget: int = 0
    without_pod: int = 0
    endpoints: tuple[EndpointStats, ...] = ()


async def gateway_stats(connection: Connection) -> GatewayStats:
    """Ask Envoy.

    Raises:
        NotHealthy: Envoy does not answer.
    """
    try:
        address = (gateway_folder(connection) / ADMIN_FILE).read_text(encoding="utf-8").strip()
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=5, trust_env=False) as admin:
            counters = await admin.get("/stats", params={"format": "json", "type": "Counters", "filter": "^cluster"})
            clusters = await admin.get("/clusters", params={"format": "json"})
            return read_stats(counters.raise_for_status().json(), clusters.raise_for_status().json())
    except (OSError, httpx.HTTPError, ValueError) as exc:
        raise NotHealthy(f"the gateway's Envoy does not answer: {exc!r}") from exc


def read_stats(counters: dict[str, Any], clusters: dict[str, Any]) -> GatewayStats:
    """Read what Envoy answers to `/stats?format=json` and `/clusters?format=json`."""
    totals: Counter[str] = Counter()
    for counter in counters["stats"]:
        if match := _COUNTER.fullmatch(counter.get("name", "")):
            totals[_COUNTED[match["name"]]] += counter["value"]
    endpoints = tuple(
        _endpoint(cluster["name"], host)
        for cluster in clusters.get("cluster_statuses", [])
        for host in cluster.get("host_statuses", [])
    )
    return GatewayStats(**totals, endpoints=endpoints)


def _endpoint(cluster: str, host: dict[str, Any]) -> EndpointStats:
    values = {entry["name"]: int(entry.get("value", 0)) for entry in host["stats"]}
    socket = host["address"]["socket_address"]
    return EndpointStats(
        cluster=cluster,
        address=f"{socket['address']}:{socket['port_value']}",
        active=values.get("rq_active", 0),
        requests=values.get("rq_total", 0),
        failed=values.get("rq_error", 0),
        set_aside=bool(host.get("health_status", {}).get("failed_outlier_check")),
    )
