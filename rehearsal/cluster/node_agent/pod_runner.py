"""Runs one pod on its node: volumes, init containers, containers, and its end.

pod = PodRunner(PodContext(pod=manifest, ...))
pod.update(newer_manifest)         # a deletion is one
pod.vanish()                       # SIGKILL, no further report: its node is lost, or it was deleted by force
await pod.run()
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from rehearsal.cluster.node_agent.container import Container
from rehearsal.cluster.node_agent.pod_context import DEFAULT_GRACE_S, PodContext
from rehearsal.cluster.node_agent.state import ContainerState, Waiting, started_at, states_before
from rehearsal.cluster.node_agent.status import PodFacts, pod_status
from rehearsal.cluster.node_agent.status_reporter import StatusReporter
from rehearsal.errors import ApiError

__all__ = ["PodRunner"]

_log = logging.getLogger(__name__)


class PodRunner:
    """Runs one pod.

    Attributes:
        manifest: The newest manifest.
        context: Context of the pod.
        over: Whether no container will run again.
    """

    def __init__(self, context: PodContext) -> None:
        """Create it with the context's manifest, without starting anything."""
        self.manifest, self.context = context.pod, context
        spec = context.pod["spec"]
        self._policy = spec.get("restartPolicy") or "Always"
        self._init = self._containers("initContainers", "OnFailure" if self._policy == "Always" else self._policy)
        self._main = self._containers("containers", self._policy)
        status = context.pod.get("status") or {}
        self._conditions: list[dict[str, Any]] = list(status.get("conditions") or ())
        self._start_time = started_at(status) or datetime.now(UTC)
        self._failure: tuple[str, str] | None = None
        self.over = self._networked = self._vanished = False
        self._deleted: asyncio.Event = asyncio.Event()
        self._grace_s = DEFAULT_GRACE_S
        self._reporter = StatusReporter(self._send)
        self._work: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether all containers are ready, and the pod is not terminating."""
        return not self.over and not self._deleted.is_set() and all(one.state.ready for one in self._main)

    async def run(self) -> None:
        """Run the pod until it is removed; leaves no process and no folder."""
        if self._vanished:
            return
        reporting = asyncio.create_task(self._reporter.run())
        # A separate task, so that its cancellation does not cancel the clean-up below.
        self._work = asyncio.create_task(self._run_until_deleted())
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
            self.context.remove_files()
            if reporting.done() and not reporting.cancelled():
                reporting.result()  # raises its error

    def _end_unreported(self, reporting: asyncio.Task[None]) -> None:
        """End a pod whose status can no longer be reported, with the reason."""
        if not reporting.cancelled() and reporting.exception() and self._work:
            self._work.cancel()

    def update(self, manifest: Mapping[str, Any]) -> None:
        """Use a newer manifest of the same pod."""
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
        self._vanished = self._reporter.gone = self.context.silent = True
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

    async def _run_until_deleted(self) -> None:
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
                self.context.event("DeadlineExceeded", self._failure[1], warning=True)
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
        await self._repeat_until_answered(lambda: self.context.api.delete(self.manifest))
        _log.info("%s: deleted", self.context.name)

    async def _run_containers(self) -> None:
        self._publish()
        await self.context.mount_volumes()
        self._networked = True
        self._publish()
        for one in self._init:
            await one.run()
            if not one.state.succeeded:
                return
            one.status.update(ready=True)
        await asyncio.gather(*(one.run() for one in self._main))

    async def _stop(self, grace_s: float, running: asyncio.Task[None]) -> None:
        """Stop all containers in parallel, within the grace period."""
        if not self.over:
            await asyncio.gather(*(one.stop(grace_s) for one in (*self._main, *self._init)))
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            for one in (*self._init, *self._main):
                one.close()
            self.over = True
        self._publish()

    async def _repeat_until_answered(self, action: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await action()
            except ApiError as exc:
                _log.info("%s: %s", self.context.name, exc)
                await asyncio.sleep(1)
            else:
                return

    def _publish(self) -> None:
        facts = PodFacts(
            restart_policy=self._policy,
            init=[one.state for one in self._init],
            containers=[one.state for one in self._main],
            address=self.context.address,
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
            _log.info("%s: %s", self.context.name, "ready" if ready else "not ready")
        self._reporter.report(status)

    async def _send(self, status: Mapping[str, Any]) -> bool:
        return await self.context.api.report(self.manifest, status)

    def _containers(self, kind: str, restart: str) -> list[Container]:
        previous = states_before(self.manifest, kind)
        reason = "PodInitializing" if self.manifest["spec"].get("initContainers") else "ContainerCreating"
        return [
            Container(
                manifest,
                self.context,
                restart=restart,
                state=previous.get(manifest["name"])
                or ContainerState(name=manifest["name"], image=manifest["image"], now=Waiting(reason=reason)),
                changed=self._publish,
            )
            for manifest in self.manifest["spec"].get(kind) or ()
        ]
