"""Before and after the load: an empty namespace, replicas that answer, and which version they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
import numpy as np

from rehearsal.cluster.api.client import ApiClient, create, delete
from rehearsal.cluster.connection import Connection
from rehearsal.cluster.controlplane.supervisor_client import Control
from rehearsal.cluster.nodes.pools import LEASES, LOST, node_objects
from rehearsal.errors import ApiError, ClusterError, NotServing
from rehearsal.experiment.run.observe import condition, failures, pods_seen
from rehearsal.experiment.run.pod_logs import with_causes
from rehearsal.experiment.run.recorder import DEPLOYMENT, PODS
from rehearsal.experiment.run.values import MODEL, RELEASE
from slipway.client import Classifier, ClientError, RetryPolicy

__all__ = ["clear", "require_alone", "require_healthy", "served_versions", "wait_until_serving"]

_NODES, _CLAIMS = "/api/v1/nodes", "/apis/karpenter.sh/v1/nodeclaims"
_GONE_S = 60.0
_POLL_S = 0.25
_QUESTIONS = 16

_T = TypeVar("_T")


def require_healthy(connection: Connection) -> None:
    """Refuse a cluster that does not work; programs that an earlier rehearsal left down are started.

    Raises:
        ClusterError: Naming each program, and what was expected of it.
    """
    control = Control(connection)
    down = [state.name for state in control.status() if state.pid is None]
    for name in down:
        control.start(name)
    deadline_s = time.monotonic() + 20.0
    while sick := [state for state in control.status() if not state.healthy]:
        if time.monotonic() > deadline_s:
            said = "".join(f"\n  {state.name}: {state.said}" for state in sick)
            raise ClusterError(f"the cluster is not healthy, see `slipway cluster status`:{said}")
        time.sleep(_POLL_S)


async def require_alone(api: ApiClient, connection: Connection) -> None:
    """Refuse a namespace with somebody else's service: the gateway would share the load among them.

    Raises:
        ClusterError: Naming it.
        ApiError: The API server does not answer.
    """
    namespace = connection.namespace
    services = await api.items(f"/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices")
    others = [name for each in services if (name := each["metadata"]["name"]) != RELEASE]
    if others:
        raise ClusterError(
            f"namespace {namespace}: expected no InferenceService but {RELEASE}, got {', '.join(others)}, which would "
            f"answer in its place; `helm uninstall` it, or rehearse on another cluster: --folder"
        )


async def clear(api: ApiClient, connection: Connection) -> None:
    """Take replicas and GPU nodes of an earlier rehearsal away at once, and wait until they are gone.

    Every rehearsal begins alike: a node that is left would save the first replicas their boot. Of a fixed pool, the
    nodes that were lost are put back.

    Raises:
        ClusterError: They do not go.
        ApiError: The API server does not answer.
    """
    pods = f"/api/v1/namespaces/{connection.namespace}/pods"
    await _replace_lost_nodes(api, connection)
    deadline_s = time.monotonic() + _GONE_S
    asked: set[str] = set()
    while True:
        replicas = await api.items(f"{pods}?labelSelector={PODS}")
        for name in (pod["metadata"]["name"] for pod in replicas):
            await _answered(api.send(delete(f"{pods}/{name}", grace_period_s=0)))
        claims = await api.items(_CLAIMS)
        for name in {claim["metadata"]["name"] for claim in claims} - asked:
            await _answered(api.send(delete(f"{_CLAIMS}/{name}")))
            asked.add(name)
        if not replicas and not claims:
            return
        if time.monotonic() > deadline_s:
            names = ", ".join(item["metadata"]["name"] for item in (*replicas, *claims))
            raise ClusterError(f"what an earlier rehearsal left does not go: {names}; see `kubectl describe`")
        await asyncio.sleep(_POLL_S)


async def _replace_lost_nodes(api: ApiClient, connection: Connection) -> None:
    nodes = await api.items(_NODES)
    there = {node["metadata"]["name"] for node in nodes}
    lost = {node["metadata"]["name"] for node in nodes if node["metadata"].get("annotations", {}).get(LOST)}
    for name in lost:
        for path in (f"{_NODES}/{name}", f"{LEASES}/{name}"):
            await _answered(api.send(delete(path)))
    if connection.nodes.pool == "fixed":
        for node in node_objects(connection.nodes):
            if node["metadata"]["name"] not in there - lost:
                await api.send(create(node))


async def _answered(work: Awaitable[_T]) -> _T | None:
    """Its result; None where the server says no, now or for ever: whoever waits asks again."""
    try:
        return await work
    except ApiError as exc:
        if exc.status is None:
            raise
        return None


async def wait_until_serving(
    api: ApiClient,
    connection: Connection,
    *,
    replicas: int,
    within_s: float,
    tell: Callable[[str], None],
) -> None:
    """Wait until so many replicas are ready, and the gateway answers with the model.

    Raises:
        NotServing: They were not in time; says what the pods say, with the last words of what failed.
        ApiError: The API server does not answer.
    """
    deadline_s = time.monotonic() + within_s
    namespace = connection.namespace
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{DEPLOYMENT}"
    async with httpx.AsyncClient(base_url=connection.gateway_url, timeout=2, trust_env=False) as gateway:
        while True:
            found = await _answered(api.get(path)) or {}
            ready = found.get("status", {}).get("readyReplicas", 0)
            if ready >= replicas and await _answers(gateway):
                return
            if time.monotonic() > deadline_s:
                raise NotServing(await _why(api, connection, replicas=replicas, ready=ready, within_s=within_s))
            tell(f"{ready} of {replicas} replicas ready")
            await asyncio.sleep(_POLL_S)


async def _answers(gateway: httpx.AsyncClient) -> bool:
    try:
        return (await gateway.get(f"/v2/models/{MODEL}/ready")).is_success
    except httpx.HTTPError:
        return False


async def _why(api: ApiClient, connection: Connection, *, replicas: int, ready: int, within_s: float) -> str:
    path = f"/api/v1/namespaces/{connection.namespace}/pods?labelSelector={PODS}"
    pods = await api.items(path)
    said = [
        f"{pod.name}: {pod.phase}{f', {pod.reason}' if pod.reason else ''}{'' if pod.node else ', on no node'}"
        for pod in pods_seen(pods)
    ] or ["there is no pod: see `kubectl describe inferenceservice,deployment`"]
    said += sorted({text for pod in pods if (text := condition(pod, "PodScheduled").get("message"))})
    logs = connection.logs / "pods"
    for found in failures(pods, at_s=0.0):
        failure = with_causes(found, logs=logs, namespace=connection.namespace)
        said += [f"{failure.pod}, container {failure.container}, exit code {failure.exit_code}, said last:"]
        said += [f"  {line}" for line in dict.fromkeys((failure.last_word, *failure.lines[-8:]))]
    told = "\n  ".join(said)
    if ready >= replicas:
        told = f"{ready} replicas are ready, and the gateway does not answer for model {MODEL}\n  {told}"
    return f"the service does not answer after {within_s:.0f} s, {ready} of {replicas} replicas are ready:\n  {told}"


def served_versions(connection: Connection) -> tuple[str, ...]:
    """Which versions the answers through the gateway name, sorted; empty without an answer."""
    found = set()
    try:
        for _ in range(_QUESTIONS):
            # A connection for each question: no answer comes by the luck of one connection's replica.
            with Classifier(
                f"grpc://{connection.gateway_url.partition('://')[2]}",
                model=MODEL,
                timeout_s=5.0,
                retry=RetryPolicy(max_attempts=1),
            ) as classifier:
                found.add(classifier.predict(np.zeros(classifier.contract().image_shape, np.uint8)).model_version)
    except ClientError:
        return tuple(sorted(found))
    return tuple(sorted(found))
