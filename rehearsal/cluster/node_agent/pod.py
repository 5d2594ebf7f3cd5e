"""One pod's life on its node: volumes, init containers, containers, and its end.

pod = PodRunner(manifest, address=..., door=..., settings=...)
pod.update(newer_manifest)         # a deletion is one
pod.vanish()                       # SIGKILL, no further report: its node is lost, or it was deleted by force
await pod.run()
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rehearsal.cluster.node_agent.ask import Asker
from rehearsal.cluster.node_agent.container import Container, Doors
from rehearsal.cluster.node_agent.door import Door
from rehearsal.cluster.node_agent.output import Output, pod_folder
from rehearsal.cluster.node_agent.programs import Programs
from rehearsal.cluster.node_agent.reports import Reporter
from rehearsal.cluster.node_agent.resumed import started_at, states_before
from rehearsal.cluster.node_agent.starting import Ground, shared_memory_prefix
from rehearsal.cluster.node_agent.state import Waiting
from rehearsal.cluster.node_agent.status import PodFacts, pod_status
from rehearsal.cluster.node_agent.volumes import MountError
from rehearsal.errors import ApiError

__all__ = ["PodRunner", "Settings"]

_MOUNT_RETRY_S = 1.0
_DEFAULT_GRACE_S = 30.0
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # POSIX shared memory lives there

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all pods share.

    Attributes:
        folder: Holds one folder per pod.
        logs: Holds one folder per pod, which stays.
        programs: What this machine can run.
        asker: Asks probes.
        restart_backoff_s: Shortest wait between restarts.
    """

    folder: Path
    logs: Path
    programs: Programs
    asker: Asker
    restart_backoff_s: float = 10.0


class PodRunner:
    """Runs one pod.

    Attributes:
        manifest: The newest.
        address: Its own.
        over: Whether no container of it will run again.
    """

    def __init__(self, manifest: Mapping[str, Any], *, address: str, door: Door, settings: Settings) -> None:
        self.manifest, self.address = manifest, address
        self._door, self._settings = door, settings
        metadata, spec = manifest["metadata"], manifest["spec"]
        self._folder = pod_folder(manifest)
        self._ground = Ground(
            pod=manifest,
            address=address,
            folder=settings.folder / self._folder,
            programs=settings.programs,
            entries=lambda kind, name: door.entries(kind, metadata["namespace"], name),
            resolve=door.resolve,
        )
        self._policy = spec.get("restartPolicy") or "Always"
        self._init = self._containers("initContainers", "OnFailure" if self._policy == "Always" else self._policy)
        self._main = self._containers("containers", self._policy)
        status = manifest.get("status") or {}
        self._conditions: list[dict[str, Any]] = list(status.get("conditions") or ())
        self._start_time = started_at(status) or datetime.now(UTC)
        self._failure: tuple[str, str] | None = None
        self.over = self._networked = self._vanished = False
        self._deleted: asyncio.Event = asyncio.Event()
        self._grace_s = _DEFAULT_GRACE_S
        self._reporter = Reporter(self._send)
        self._work: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Namespace and name."""
        return f"{self.manifest['metadata']['namespace']}/{self.manifest['metadata']['name']}"

    @property
    def ready(self) -> bool:
        """Whether all containers are, and it is not on its way out."""
        return not self.over and not self._deleted.is_set() and all(one.state.ready for one in self._main)

    async def run(self) -> None:
        """Run the pod until it is gone from this node; leaves no process and no folder."""
        if self._vanished:
            return
        reporting = asyncio.create_task(self._reporter.run())
        # A task of its own, so that what ends it does not end the cleaning up below.
        self._work = asyncio.create_task(self._live())
        reporting.add_done_callback(self._end_unreported)
        try:
            await self._work
        except asyncio.CancelledError:
            if not self._vanished:
                raise
        finally:
            reporting.cancel()
            self.kill()
            await self._gone()
            self._clean()
            if reporting.done() and not reporting.cancelled():
                reporting.result()  # raises what ended it

    def _end_unreported(self, reporting: asyncio.Task[None]) -> None:
        """A pod of which nothing can be told any more ends, with the reason."""
        if not reporting.cancelled() and reporting.exception() and self._work:
            self._work.cancel()

    def update(self, manifest: Mapping[str, Any]) -> None:
        """Take a newer manifest of the same pod."""
        self.manifest = manifest
        if "deletionTimestamp" not in manifest["metadata"]:
            return
        grace_s = float(manifest["metadata"].get("deletionGracePeriodSeconds") or 0)
        if self._deleted.is_set() and grace_s < self._grace_s:
            for one in (*self._init, *self._main):
                asyncio.get_running_loop().call_later(grace_s, one.kill)
        self._grace_s = grace_s
        self._deleted.set()

    def vanish(self) -> None:
        """End everything at once, and report nothing more."""
        self._vanished = self._reporter.gone = True
        self.kill()
        if self._work:
            self._work.cancel()

    async def terminate(self) -> None:
        """SIGTERM for all its processes, without preStop or a further report; returns when they are gone."""
        self._reporter.gone = True
        for one in (*self._init, *self._main):
            one.terminate()
        await self._gone()

    def kill(self) -> None:
        """SIGKILL for all its processes."""
        for one in (*self._init, *self._main):
            one.kill()

    async def _gone(self) -> None:
        await asyncio.gather(*(one.gone() for one in (*self._init, *self._main)), return_exceptions=True)

    async def _live(self) -> None:
        running = asyncio.create_task(self._run_containers())
        deleted = asyncio.create_task(self._deleted.wait())
        deadline_s = self.manifest["spec"].get("activeDeadlineSeconds")
        left_s = None
        if deadline_s is not None:
            left_s = max(0.0, deadline_s - (datetime.now(UTC) - self._start_time).total_seconds())
        try:
            await asyncio.wait({running, deleted}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if not running.done() and not deleted.done():
                self._failure = "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
                self._event("DeadlineExceeded", self._failure[1], warning=True)
                await self._stop(float(self.manifest["spec"].get("terminationGracePeriodSeconds") or 0), running)
            elif running.done():
                running.result()
                self.over = True
                self._publish()
            await deleted
            await self._stop(self._grace_s, running)
        finally:
            for task in (running, deleted):
                task.cancel()
        await self._reporter.flushed()
        await self._until_answered(lambda: self._door.delete(self.manifest))
        _log.info("%s: deleted", self.name)

    async def _run_containers(self) -> None:
        self._publish()
        self._ground.volumes.update(await self._mounted())
        self._networked = True
        self._publish()
        for one in self._init:
            await one.run()
            if not one.state.succeeded:
                return
            one.show(ready=True)
        await asyncio.gather(*(one.run() for one in self._main))

    async def _mounted(self) -> dict[str, Path]:
        while True:
            try:
                self._ground.folder.mkdir(parents=True, exist_ok=True)
                return await self._door.volumes(self._ground.pod, self._ground.folder, self.address)
            except (MountError, OSError) as exc:  # OSError: the disk is full, for instance
                self._event("FailedMount", f"MountVolume.SetUp failed: {exc}", warning=True)
            except ApiError as exc:
                _log.info("%s: volumes: %s", self.name, exc)
            await asyncio.sleep(_MOUNT_RETRY_S)

    async def _stop(self, grace_s: float, running: asyncio.Task[None]) -> None:
        """Stop every container at once, within the grace; then the pod is over."""
        if not self.over:
            await asyncio.gather(*(one.stop(grace_s) for one in (*self._main, *self._init)))
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            for one in (*self._init, *self._main):
                one.close()
            self.over = True
        self._publish()

    async def _until_answered(self, action: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await action()
            except ApiError as exc:
                _log.info("%s: %s", self.name, exc)
                await asyncio.sleep(1)
            else:
                return

    def _publish(self) -> None:
        facts = PodFacts(
            restart_policy=self._policy,
            init=[one.state for one in self._init],
            containers=[one.state for one in self._main],
            address=self.address,
            start_time=self._start_time,
            networked=self._networked,
            over=self.over,
            failure=self._failure,
            generation=self.manifest["metadata"].get("generation"),
        )
        was_ready = any(one["type"] == "Ready" and one["status"] == "True" for one in self._conditions)
        status = pod_status(facts, self._conditions, datetime.now(UTC))
        self._conditions = status["conditions"]
        if (ready := self._conditions[-1]["status"] == "True") != was_ready:
            _log.info("%s: %s", self.name, "ready" if ready else "not ready")
        self._reporter.report(status)

    async def _send(self, status: Mapping[str, Any]) -> bool:
        return await self._door.report(self.manifest, status)

    def _event(self, reason: str, message: str, warning: bool = False) -> None:
        _log.info("%s: %s: %s", self.name, reason, message)
        if not self._vanished:
            self._door.event(self.manifest, reason, message, warning=warning)

    def _containers(self, kind: str, restart: str) -> list[Container]:
        manifests = self.manifest["spec"].get(kind) or ()
        before = states_before(self.manifest, kind)
        first = "PodInitializing" if self.manifest["spec"].get("initContainers") else "ContainerCreating"
        doors = Doors(
            changed=self._publish,
            event=self._event,
            asker=self._settings.asker,
            output=Output(self._settings.logs / self._folder),
            restart_backoff_s=self._settings.restart_backoff_s,
            restart=restart,
            grace_s=float(self.manifest["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_S)),
        )
        found = []
        for manifest in manifests:
            one = Container(manifest, self._ground, doors, before=before.get(manifest["name"]))
            if manifest["name"] not in before:
                one.state = replace(one.state, now=Waiting(reason=first))
            found.append(one)
        return found

    def _clean(self) -> None:
        shutil.rmtree(self._ground.folder, ignore_errors=True)
        prefix = shared_memory_prefix(self.address.rsplit(".", 2)[0], self.manifest["metadata"]["uid"])
        for file in _SHARED_MEMORY.glob(f"{prefix}*"):
            file.unlink(missing_ok=True)
