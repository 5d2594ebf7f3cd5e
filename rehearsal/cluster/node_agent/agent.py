"""The node agent's main loop: watches pods and nodes, and starts and stops pods accordingly."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from rehearsal.cluster.api.client import ApiClient
from rehearsal.cluster.api.watch import Snapshot, follow
from rehearsal.cluster.background import mark_ready
from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.node_agent.container_start import POD_FOLDER
from rehearsal.cluster.node_agent.image_programs import ImagePrograms
from rehearsal.cluster.node_agent.output import shorten
from rehearsal.cluster.node_agent.pod_context import (
    SHARED_MEMORY_FOLDER,
    PodContext,
    SharedByPods,
    shared_memory_prefix,
)
from rehearsal.cluster.node_agent.pod_network import PodAddresses, ServiceName, backend_address
from rehearsal.cluster.node_agent.pod_objects import PodObjects
from rehearsal.cluster.node_agent.pod_runner import PodRunner
from rehearsal.cluster.node_agent.probe_client import ProbeClient
from rehearsal.cluster.node_agent.volumes import prepare_volumes
from rehearsal.cluster.nodes.pools import LOST
from rehearsal.errors import ApiError

__all__ = ["Agent", "end_leftovers", "is_ours"]

_SERVED = "serving.kserve.io/inferenceservice"
_HOOK = "helm.sh/hook"
_ENDED = ("Succeeded", "Failed")
_TRUNCATE_EVERY_S = 10
_TERMINATE_S = 5  # an idle tritonserver needs about one

_log = logging.getLogger(__name__)


def is_ours(pod: Mapping[str, Any]) -> bool:
    """Whether this agent, not kwok, runs a pod: it is bound, and a predictor or a pod of `helm test`."""
    metadata = pod["metadata"]
    chosen = _SERVED in (metadata.get("labels") or {}) or _HOOK in (metadata.get("annotations") or {})
    return chosen and bool(pod["spec"].get("nodeName"))


def end_leftovers(connection: ClusterConnection) -> None:
    """Remove what a killed earlier agent of this cluster left: processes, folders, shared memory."""
    ours = f"{connection.pods}/"
    for process in psutil.process_iter():
        try:
            if process.environ().get(POD_FOLDER, "").startswith(ours):
                _log.info("left over from an earlier agent: process %s", process.pid)
                process.kill()
        except psutil.Error:
            continue
    shutil.rmtree(connection.pods, ignore_errors=True)
    for file in SHARED_MEMORY_FOLDER.glob(f"{shared_memory_prefix(connection.network)}*"):
        file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A pod in the API server, and its run, which may be over."""

    runner: PodRunner
    task: asyncio.Task[None]

    @property
    def failed(self) -> bool:
        """Whether the run ended by an error of the node agent, which then cannot delete the pod."""
        return self.task.done() and not self.task.cancelled() and self.task.exception() is not None


class _AgentApi(PodObjects):
    """The API server and the agent's other pods, for one pod."""

    def __init__(self, api: ApiClient, agent: Agent, *, gateway: str) -> None:
        super().__init__(api)
        self._agent = agent
        self._gateway = gateway.removeprefix("http://").rstrip("/")

    async def volumes(self, pod: Mapping[str, Any], folder: Path, address: str) -> dict[str, Path]:
        """See `PodApi`."""
        return await prepare_volumes(pod, folder, self, address=address)

    async def resolve(self, named: ServiceName) -> str | None:
        """See `PodApi`."""
        service = await self.get(f"/api/v1/namespaces/{named.namespace}/services/{named.name}")
        if service is None:
            return None
        pod = self._agent.ready_pod(named.namespace, service["spec"].get("selector") or {})
        return backend_address(named, service, gateway=self._gateway, pod=pod)


class Agent:
    """The node agent of one cluster, for all of its nodes."""

    def __init__(self, connection: ClusterConnection, *, restart_backoff_s: float) -> None:
        self._connection = connection
        self._restart_backoff_s = restart_backoff_s
        self._addresses = PodAddresses(connection.network)
        self._entries: dict[str, _Entry] = {}
        self._lost: set[str] = set()
        self._pods: Snapshot | None = None
        self._nodes: Snapshot | None = None
        self._clearing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run until cancelled, and leave no process of any pod.

        Raises:
            ClusterError: The kubeconfig is invalid, or the API server rejects a request.
        """
        end_leftovers(self._connection)
        async with ApiClient.from_kubeconfig(self._connection.kubeconfig) as api:
            self._objects = _AgentApi(api, self, gateway=self._connection.gateway_url)
            self._shared = SharedByPods(
                folder=self._connection.pods,
                logs=self._connection.logs / "pods",
                programs=ImagePrograms.install(self._connection.folder / "agent"),
                prober=ProbeClient(),
                restart_backoff_s=self._restart_backoff_s,
            )
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._objects.send_events())
                    group.create_task(self._truncate_logs())
                    group.create_task(self._follow_nodes(follow(api, "/api/v1/nodes")))
                    bound = {"fieldSelector": "spec.nodeName!="}
                    group.create_task(self._follow_pods(follow(api, "/api/v1/pods", query=bound)))
            finally:
                await self._end_all()
                await self._shared.prober.close()

    def pod(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """A pod's newest manifest; None if it does not exist or is not run by this agent."""
        pod = (self._pods or {}).get((namespace, name))
        return pod if pod and is_ours(pod) else None

    def ready_pod(self, namespace: str, selector: Mapping[str, str]) -> str | None:
        """The address of one ready pod that a Service selects; None if none is ready."""
        return next(
            (
                entry.runner.context.address
                for entry in self._entries.values()
                if entry.runner.ready
                and entry.runner.manifest["metadata"]["namespace"] == namespace
                and selector.items() <= (entry.runner.manifest["metadata"].get("labels") or {}).items()
            ),
            None,
        )

    async def _follow_pods(self, snapshots: AsyncIterator[Snapshot]) -> None:
        async for self._pods in snapshots:
            self._reconcile()

    async def _follow_nodes(self, snapshots: AsyncIterator[Snapshot]) -> None:
        async for self._nodes in snapshots:
            self._reconcile()

    async def _truncate_logs(self) -> None:
        while True:
            await asyncio.sleep(_TRUNCATE_EVERY_S)
            await asyncio.to_thread(shorten, self._shared.logs)

    def _reconcile(self) -> None:
        if self._pods is None or self._nodes is None:
            return
        mark_ready(self._connection, "rehearsal.cluster.node_agent")
        present = {pod["metadata"]["uid"]: pod for pod in self._pods.values() if is_ours(pod)}
        for uid, pod in present.items():
            self._reconcile_pod(uid, pod, self._nodes.get(("", pod["spec"]["nodeName"])))
        for uid in self._entries.keys() - present.keys():
            entry = self._entries.pop(uid)
            if not entry.runner.over:
                _log.info("%s: deleted by force", entry.runner.context.name)
            if not entry.task.done():
                entry.runner.vanish()
            self._objects.forget(entry.runner.manifest)
        self._lost &= present.keys()

    def _reconcile_pod(self, uid: str, pod: Mapping[str, Any], node: Mapping[str, Any] | None) -> None:
        """Bring one pod to the state in the API server."""
        name, entry = pod["metadata"]["name"], self._entries.get(uid)
        lost = node is not None and (node["metadata"].get("annotations") or {}).get(LOST) == "true"
        if uid in self._lost or (node is None and entry is None):
            return
        if lost or node is None:
            _log.info("%s: node %s is lost", name, pod["spec"]["nodeName"])
            self._lost.add(uid)
            if entry:
                entry.runner.vanish()
        elif entry and not entry.failed:
            entry.runner.update(pod)
        elif not entry and (pod.get("status") or {}).get("phase") not in _ENDED:
            self._start(uid, pod)
        else:
            self._clear_deleted(pod)

    def _start(self, uid: str, pod: Mapping[str, Any]) -> None:
        address = self._addresses.take((pod.get("status") or {}).get("podIP"))
        _log.info("%s: starts on node %s as %s", pod["metadata"]["name"], pod["spec"]["nodeName"], address)
        runner = PodRunner(PodContext(pod=pod, address=address, api=self._objects, shared=self._shared))
        task = asyncio.create_task(runner.run())
        self._entries[uid] = _Entry(runner=runner, task=task)
        task.add_done_callback(lambda done: self._ended(done, runner))
        runner.update(pod)

    def _ended(self, task: asyncio.Task[None], runner: PodRunner) -> None:
        self._addresses.release(runner.context.address)
        if not task.cancelled() and (exc := task.exception()):
            _log.error("%s: the node agent failed", runner.context.name, exc_info=exc)
            if runner.manifest["metadata"]["uid"] not in self._lost:
                self._clear_deleted(runner.manifest)

    def _clear_deleted(self, pod: Mapping[str, Any]) -> None:
        """Remove a deleted pod without processes from the API server."""
        if "deletionTimestamp" in pod["metadata"]:
            task = asyncio.create_task(self._clear(pod))
            self._clearing.add(task)
            task.add_done_callback(self._clearing.discard)

    async def _clear(self, pod: Mapping[str, Any]) -> None:
        try:
            await self._objects.delete(pod)
        except ApiError as exc:
            _log.info("%s: %s", pod["metadata"]["name"], exc)  # retried with the next snapshot

    async def _end_all(self) -> None:
        # A killed tritonserver leaves a folder in /tmp, whose path is fixed in its Python backend.
        with suppress(TimeoutError):
            async with asyncio.timeout(_TERMINATE_S):
                await asyncio.gather(*(entry.runner.terminate() for entry in self._entries.values()))
        for entry in self._entries.values():
            entry.runner.kill()
            entry.task.cancel()
        await asyncio.gather(*(entry.task for entry in self._entries.values()), return_exceptions=True)
