"""Which pods run here: follows pods and nodes, and starts, ends or loses pods accordingly."""

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
from rehearsal.cluster.connection import Connection
from rehearsal.cluster.node_agent.addresses import Addresses
from rehearsal.cluster.node_agent.api_objects import Objects
from rehearsal.cluster.node_agent.ask import Asker
from rehearsal.cluster.node_agent.output import shorten
from rehearsal.cluster.node_agent.pod import PodRunner, Settings
from rehearsal.cluster.node_agent.programs import Programs
from rehearsal.cluster.node_agent.services import Named, behind
from rehearsal.cluster.node_agent.starting import POD_FOLDER, shared_memory_prefix
from rehearsal.cluster.node_agent.volumes import prepare_volumes
from rehearsal.cluster.nodes.pools import LOST
from rehearsal.errors import ApiError

__all__ = ["Agent", "end_leftovers", "is_ours"]

_SERVED = "serving.kserve.io/inferenceservice"
_HOOK = "helm.sh/hook"
_ENDED = ("Succeeded", "Failed")
_HOUSEKEEPING_S = 10
_GOODBYE_S = 5  # an idle tritonserver needs about one
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # POSIX shared memory lives there

_log = logging.getLogger(__name__)


def is_ours(pod: Mapping[str, Any]) -> bool:
    """Whether this agent, not kwok, runs a pod: it is bound, and a predictor or a pod of `helm test`."""
    metadata = pod["metadata"]
    chosen = _SERVED in (metadata.get("labels") or {}) or _HOOK in (metadata.get("annotations") or {})
    return chosen and bool(pod["spec"].get("nodeName"))


def end_leftovers(connection: Connection) -> None:
    """End what an earlier agent of this cluster left behind when it was killed: processes, folders, shared memory."""
    ours = f"{connection.pods}/"
    for process in psutil.process_iter():
        try:
            if process.environ().get(POD_FOLDER, "").startswith(ours):
                _log.info("left over from an earlier agent: process %s", process.pid)
                process.kill()
        except psutil.Error:
            continue
    shutil.rmtree(connection.pods, ignore_errors=True)
    for file in _SHARED_MEMORY.glob(f"{shared_memory_prefix(connection.network)}*"):
        file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A pod that the API server still has, and its run, which may be over."""

    runner: PodRunner
    task: asyncio.Task[None]

    @property
    def failed(self) -> bool:
        """Whether the run ended by an error of the node agent: it takes the pod away no more."""
        return self.task.done() and not self.task.cancelled() and self.task.exception() is not None


class Agent:
    """The node agent of one cluster, for all of its nodes."""

    def __init__(self, connection: Connection, *, restart_backoff_s: float) -> None:
        self._connection = connection
        self._restart_backoff_s = restart_backoff_s
        self._addresses = Addresses(connection.network)
        self._entries: dict[str, _Entry] = {}
        self._lost: set[str] = set()
        self._pods: Snapshot | None = None
        self._nodes: Snapshot | None = None
        self._clearing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run until cancelled; then nothing of any pod is left.

        Raises:
            ClusterError: The kubeconfig is none, or the API server refuses what is asked.
        """
        end_leftovers(self._connection)
        async with ApiClient.from_kubeconfig(self._connection.kubeconfig) as api:
            self._objects = Objects(api)
            self._settings = Settings(
                folder=self._connection.pods,
                logs=self._connection.logs / "pods",
                programs=Programs.install(self._connection.folder / "agent"),
                asker=Asker(),
                restart_backoff_s=self._restart_backoff_s,
            )
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._objects.send_events())
                    group.create_task(self._keep_house())
                    group.create_task(self._follow_nodes(follow(api, "/api/v1/nodes")))
                    bound = {"fieldSelector": "spec.nodeName!="}
                    group.create_task(self._follow_pods(follow(api, "/api/v1/pods", query=bound)))
            finally:
                await self._end_all()
                await self._settings.asker.close()

    def pod(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """A pod's newest manifest; None if it is not there or not run here."""
        found = (self._pods or {}).get((namespace, name))
        return found if found and is_ours(found) else None

    async def report(self, pod: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
        """As `Door`."""
        return await self._objects.report(pod, status)

    async def delete(self, pod: Mapping[str, Any]) -> None:
        """As `Door`."""
        await self._objects.delete(pod)

    def event(self, pod: Mapping[str, Any], reason: str, message: str, *, warning: bool = False) -> None:
        """As `Door`."""
        self._objects.event(pod, reason, message, warning=warning)

    async def entries(self, kind: str, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """As `Door`."""
        return await self._objects.entries(kind, namespace, name)

    async def volumes(self, pod: Mapping[str, Any], folder: Path, address: str) -> dict[str, Path]:
        """As `Door`."""
        return await prepare_volumes(pod, folder, self._objects, address=address)

    async def resolve(self, named: Named) -> str | None:
        """As `Door`."""
        service = await self._objects.get(f"/api/v1/namespaces/{named.namespace}/services/{named.name}")
        if service is None:
            return None
        selector = (service["spec"].get("selector") or {}).items()
        ready = (
            entry.runner.address
            for entry in self._entries.values()
            if entry.runner.ready
            and entry.runner.manifest["metadata"]["namespace"] == named.namespace
            and selector <= (entry.runner.manifest["metadata"].get("labels") or {}).items()
        )
        gateway = self._connection.gateway_url.removeprefix("http://").rstrip("/")
        return behind(named, service, gateway=gateway, pod=next(ready, None))

    async def _follow_pods(self, snapshots: AsyncIterator[Snapshot]) -> None:
        async for self._pods in snapshots:
            self._reconcile()

    async def _follow_nodes(self, snapshots: AsyncIterator[Snapshot]) -> None:
        async for self._nodes in snapshots:
            self._reconcile()

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            await asyncio.to_thread(shorten, self._settings.logs)

    def _reconcile(self) -> None:
        if self._pods is None or self._nodes is None:
            return
        mark_ready(self._connection, "rehearsal.cluster.node_agent")
        there = {pod["metadata"]["uid"]: pod for pod in self._pods.values() if is_ours(pod)}
        for uid, pod in there.items():
            self._settle(uid, pod, self._nodes.get(("", pod["spec"]["nodeName"])))
        for uid in self._entries.keys() - there.keys():
            entry = self._entries.pop(uid)
            if not entry.runner.over:
                _log.info("%s: deleted by force", entry.runner.name)
            if not entry.task.done():
                entry.runner.vanish()
            self._objects.forget(entry.runner.manifest)
        self._lost &= there.keys()

    def _settle(self, uid: str, pod: Mapping[str, Any], node: Mapping[str, Any] | None) -> None:
        """Bring one pod to what the API server says."""
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
        runner = PodRunner(pod, address=address, door=self, settings=self._settings)
        task = asyncio.create_task(runner.run())
        self._entries[uid] = _Entry(runner=runner, task=task)
        task.add_done_callback(lambda done: self._ended(done, runner))
        runner.update(pod)

    def _ended(self, task: asyncio.Task[None], runner: PodRunner) -> None:
        self._addresses.give_back(runner.address)
        if not task.cancelled() and (exc := task.exception()):
            _log.error("%s: the node agent failed", runner.name, exc_info=exc)
            if runner.manifest["metadata"]["uid"] not in self._lost:
                self._clear_deleted(runner.manifest)

    def _clear_deleted(self, pod: Mapping[str, Any]) -> None:
        """Take a pod away of which nothing runs, if it is deleted."""
        if "deletionTimestamp" in pod["metadata"]:
            task = asyncio.create_task(self._clear(pod))
            self._clearing.add(task)
            task.add_done_callback(self._clearing.discard)

    async def _clear(self, pod: Mapping[str, Any]) -> None:
        try:
            await self._objects.delete(pod)
        except ApiError as exc:
            _log.info("%s: %s", pod["metadata"]["name"], exc)  # the next snapshot brings it again

    async def _end_all(self) -> None:
        # A tritonserver that is killed leaves a folder in /tmp, whose place is written into its Python backend.
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await asyncio.gather(*(entry.runner.terminate() for entry in self._entries.values()))
        for entry in self._entries.values():
            entry.runner.kill()
            entry.task.cancel()
        await asyncio.gather(*(entry.task for entry in self._entries.values()), return_exceptions=True)
