"""What an Envoy counted: retries over all services, and which ports of pods it knows.

stats = envoy_stats(connection)
stats.retries, {endpoint.address for endpoint in stats.endpoints if endpoint.set_aside}
"""

from dataclasses import dataclass

import httpx

from rehearsal.cluster.gateway.envoy import ADMIN_FILE, gateway_folder


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A host:port, and whether no request goes there because it could not be reached."""

    address: str
    set_aside: bool


@dataclass(frozen=True, kw_only=True)
class Stats:
    retries: int
    retries_that_helped: int
    endpoints: tuple[Endpoint, ...]


def envoy_stats(connection):
    address = (gateway_folder(connection) / ADMIN_FILE).read_text().strip()
    with httpx.Client(base_url=f"http://{address}", timeout=5, trust_env=False) as admin:
        asked = {"format": "json", "type": "Counters", "filter": "^cluster"}
        counters = admin.get("/stats", params=asked).raise_for_status().json()["stats"]
        clusters = admin.get("/clusters", params={"format": "json"}).raise_for_status().json()
    hosts = [host for cluster in clusters.get("cluster_statuses", ()) for host in cluster.get("host_statuses", ())]
    return Stats(
        retries=_sum(counters, "upstream_rq_retry"),
        retries_that_helped=_sum(counters, "upstream_rq_retry_success"),
        endpoints=tuple(map(_endpoint, hosts)),
    )


def _sum(counters, name):
    """Over clusters; not Envoy's parts of one, such as `external`, whose names have a dot more."""
    return sum(
        each["value"] for each in counters if each.get("name", "").endswith(f".{name}") and each["name"].count(".") == 2
    )


def _endpoint(host):
    socket = host["address"]["socket_address"]
    return Endpoint(
        address=f"{socket['address']}:{socket['port_value']}",
        set_aside=bool(host.get("health_status", {}).get("failed_outlier_check")),
    )
