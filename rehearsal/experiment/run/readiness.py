"""Whether the service answers: replicas that are ready before the load, and the versions that respond after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
import numpy as np

from rehearsal.cluster.api.client import ApiClient
from rehearsal.cluster.connection import ClusterConnection
from rehearsal.errors import ApiError, NotServing
from rehearsal.experiment.run.chart_values import DEPLOYMENT, MODEL, PODS
from rehearsal.experiment.run.responses import add_causes, condition, failed_containers, parse_pods
from slipway.client import Classifier, ClientError, RetryPolicy

__all__ = ["served_versions", "wait_until_serving"]

_POLL_S = 0.25
_REQUESTS = 16


async def wait_until_serving(
    api: ApiClient,
    connection: ClusterConnection,
    *,
    replicas: int,
    within_s: float,
    show: Callable[[str], None],
) -> None:
    """Wait until so many replicas are ready, and the gateway answers with the model.

    Raises:
        NotServing: They were not in time; with the state of the pods and the output of failed containers.
        ApiError: The API server does not answer.
    """
    deadline_s = time.monotonic() + within_s
    async with httpx.AsyncClient(base_url=connection.gateway_url, timeout=2, trust_env=False) as gateway:
        while True:
            ready = await _ready_replicas(api, connection.namespace)
            if ready >= replicas and await _is_model_ready(gateway):
                return
            if time.monotonic() > deadline_s:
                raise NotServing(await _explanation(api, connection, replicas=replicas, ready=ready, within_s=within_s))
            show(f"{ready} of {replicas} replicas ready")
            await asyncio.sleep(_POLL_S)


async def _ready_replicas(api: ApiClient, namespace: str) -> int:
    """0 while the server refuses the request: the next poll repeats it."""
    try:
        deployment = await api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{DEPLOYMENT}")
    except ApiError as exc:
        if exc.status is None:
            raise
        return 0
    return int((deployment or {}).get("status", {}).get("readyReplicas", 0))


async def _is_model_ready(gateway: httpx.AsyncClient) -> bool:
    try:
        return (await gateway.get(f"/v2/models/{MODEL}/ready")).is_success
    except httpx.HTTPError:
        return False


async def _explanation(
    api: ApiClient, connection: ClusterConnection, *, replicas: int, ready: int, within_s: float
) -> str:
    path = f"/api/v1/namespaces/{connection.namespace}/pods?labelSelector={PODS}"
    pods = await api.items(path)
    lines = [
        f"{pod.name}: {pod.phase}{f', {pod.reason}' if pod.reason else ''}{'' if pod.node else ', on no node'}"
        for pod in parse_pods(pods)
    ] or ["there is no pod: see `kubectl describe inferenceservice,deployment`"]
    lines += sorted({message for pod in pods if (message := condition(pod, "PodScheduled").get("message"))})
    logs = connection.logs / "pods"
    for each in failed_containers(pods, at_s=0.0):
        failure = add_causes(each, logs=logs, namespace=connection.namespace)
        lines += [f"{failure.pod}, container {failure.container}, exit code {failure.exit_code}, last output:"]
        lines += [f"  {line}" for line in dict.fromkeys((failure.cause, *failure.lines[-8:]))]
    text = "\n  ".join(lines)
    if ready >= replicas:
        text = f"{ready} replicas are ready, and the gateway does not answer for model {MODEL}\n  {text}"
    return f"the service does not answer after {within_s:.0f} s, {ready} of {replicas} replicas are ready:\n  {text}"


def served_versions(connection: ClusterConnection) -> tuple[str, ...]:
    """Versions of the model in the gateway's responses, sorted; empty without a response."""
    versions = set()
    try:
        for _ in range(_REQUESTS):
            # A connection for each request, or all of them could reach one replica.
            with Classifier(
                f"grpc://{connection.gateway_url.partition('://')[2]}",
                model=MODEL,
                timeout_s=5.0,
                retry=RetryPolicy(max_attempts=1),
            ) as classifier:
                versions.add(classifier.predict(np.zeros(classifier.contract().image_shape, np.uint8)).model_version)
    except ClientError:
        pass  # the versions until then
    return tuple(sorted(versions))
