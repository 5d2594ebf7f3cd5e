"""Before the load: a healthy cluster, a namespace of its own, and nothing left of an earlier rehearsal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from rehearsal.cluster.api.client import ApiClient, create, delete
from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.controlplane.supervisor_client import SupervisorClient
from rehearsal.cluster.nodes.pools import LEASES, LOST, node_objects
from rehearsal.errors import ApiError, ClusterError
from rehearsal.experiment.run.chart_values import PODS, RELEASE

__all__ = ["remove_leftovers", "require_exclusive_namespace", "require_healthy"]

_NODES, _CLAIMS = "/api/v1/nodes", "/apis/karpenter.sh/v1/nodeclaims"
_REMOVED_S = 60.0
_POLL_S = 0.25


def require_healthy(connection: ClusterConnection) -> None:
    """Reject an unhealthy cluster, after starting the programs that an earlier rehearsal left stopped.

    Raises:
        ClusterError: With each unhealthy program and its message.
    """
    supervisor = SupervisorClient(connection)
    down = [state.name for state in supervisor.status() if state.pid is None]
    for name in down:
        supervisor.start(name)
    deadline_s = time.monotonic() + 20.0
    while unhealthy := [state for state in supervisor.status() if not state.healthy]:
        if time.monotonic() > deadline_s:
            details = "".join(f"\n  {state.name}: {state.said}" for state in unhealthy)
            raise ClusterError(f"the cluster is not healthy, see `slipway cluster status`:{details}")
        time.sleep(_POLL_S)


async def require_exclusive_namespace(api: ApiClient, connection: ClusterConnection) -> None:
    """Reject a namespace with another service: the gateway would share the load among them.

    Raises:
        ClusterError: With its name.
        ApiError: The API server does not answer.
    """
    namespace = connection.namespace
    services = await api.items(f"/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices")
    others = [name for each in services if (name := each["metadata"]["name"]) != RELEASE]
    if others:
        raise ClusterError(
            f"namespace {namespace}: expected no InferenceService but {RELEASE}, got {', '.join(others)}, which would "
            f"get part of the load; `helm uninstall` it, or use another cluster: --folder"
        )


async def remove_leftovers(api: ApiClient, connection: ClusterConnection) -> None:
    """Remove replicas and GPU nodes of an earlier rehearsal, and wait until they are gone.

    Every rehearsal begins alike: a remaining node would save the first replicas its boot. Lost nodes of a fixed pool
    are created again.

    Raises:
        ClusterError: They are still there after a minute.
        ApiError: The API server does not answer.
    """
    pods = f"/api/v1/namespaces/{connection.namespace}/pods"
    await _replace_lost_nodes(api, connection)
    deadline_s = time.monotonic() + _REMOVED_S
    requested: set[str] = set()
    while True:
        replicas = await api.items(f"{pods}?labelSelector={PODS}")
        for name in (pod["metadata"]["name"] for pod in replicas):
            await _unless_refused(api.send(delete(f"{pods}/{name}", grace_period_s=0)))
        claims = await api.items(_CLAIMS)
        for name in {claim["metadata"]["name"] for claim in claims} - requested:
            await _unless_refused(api.send(delete(f"{_CLAIMS}/{name}")))
            requested.add(name)
        if not replicas and not claims:
            return
        if time.monotonic() > deadline_s:
            names = ", ".join(item["metadata"]["name"] for item in (*replicas, *claims))
            raise ClusterError(f"objects of an earlier rehearsal are still there: {names}; see `kubectl describe`")
        await asyncio.sleep(_POLL_S)


async def _replace_lost_nodes(api: ApiClient, connection: ClusterConnection) -> None:
    nodes = await api.items(_NODES)
    names = {node["metadata"]["name"] for node in nodes}
    lost = {node["metadata"]["name"] for node in nodes if node["metadata"].get("annotations", {}).get(LOST)}
    for name in lost:
        for path in (f"{_NODES}/{name}", f"{LEASES}/{name}"):
            await _unless_refused(api.send(delete(path)))
    if connection.nodes.pool == "fixed":
        for node in node_objects(connection.nodes):
            if node["metadata"]["name"] not in names - lost:
                await api.send(create(node))


async def _unless_refused(work: Awaitable[bytes]) -> None:
    """Await a request whose refusal does not matter: the next round repeats it."""
    try:
        await work
    except ApiError as exc:
        if exc.status is None:
            raise
