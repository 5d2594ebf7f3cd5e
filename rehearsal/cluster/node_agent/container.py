"""One container's life: start, end, back-off, start again; until it ended for good, or is stopped.

container = Container(manifest, ground, doors)
task = asyncio.create_task(container.run())
await container.stop(grace_s=50)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from rehearsal.cluster.node_agent.ask import Asker
from rehearsal.cluster.node_agent.backoff import Backoff, duration
from rehearsal.cluster.node_agent.environment import ConfigError
from rehearsal.cluster.node_agent.output import Output
from rehearsal.cluster.node_agent.process import CannotStart
from rehearsal.cluster.node_agent.programs import ImageUnknown
from rehearsal.cluster.node_agent.run import Run, RunDoors
from rehearsal.cluster.node_agent.starting import Ground, plan_start
from rehearsal.cluster.node_agent.state import ContainerState, Running, Terminated, Waiting, terminated
from rehearsal.errors import ApiError

__all__ = ["Container", "Doors"]

_CONFIG_RETRY_S = 5.0
_API_RETRY_S = 1.0
_NO_PROGRAM = 128
_NEVER_RAN = Terminated(
    exit_code=137,
    reason="ContainerStatusUnknown",
    message="The container could not be located when the pod was terminated",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What a container tells, and whom it asks.

    Attributes:
        changed: Told that the state is a new one.
        event: Takes reason, message and whether it is a warning.
        asker: Asks probes.
        output: Where its output goes.
        restart_backoff_s: Shortest wait between restarts.
        restart: Restart policy: `Always`, `OnFailure` or `Never`.
        grace_s: Of the pod, for restarts by a probe.
    """

    changed: Callable[[], None]
    event: Callable[[str, str, bool], None]
    asker: Asker
    output: Output
    restart_backoff_s: float
    restart: str
    grace_s: float


class Container:
    """One container of a pod.

    Attributes:
        state: What became of it so far.
    """

    def __init__(
        self, manifest: Mapping[str, Any], ground: Ground, doors: Doors, *, before: ContainerState | None = None
    ) -> None:
        """Args: before: What an earlier node agent reported, whose processes are gone."""
        self.state = before or ContainerState(
            name=manifest["name"], image=manifest["image"], now=Waiting(reason="ContainerCreating")
        )
        self._manifest, self._ground, self._doors = manifest, ground, doors
        self._backoff, self._pull_backoff = Backoff(doors.restart_backoff_s), Backoff(doors.restart_backoff_s)
        self._run: Run | None = None
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def show(self, **changes: Any) -> None:  # noqa: ANN401  # fields of ContainerState
        """Take a new state."""
        changed = replace(self.state, **changes)
        if changed != self.state:
            self.state = changed
            self._doors.changed()

    async def run(self) -> None:
        """Run it until it ended for good, or is stopped."""
        if isinstance(self.state.now, Terminated):
            return
        self._idle.clear()
        try:
            while not self._stopping.is_set():
                ended = await self._run_once()
                if ended is None:
                    continue
                self.show(now=ended, started=False, ready=False)
                if not self._again(ended):
                    return
                await self._wait_before_restart(ended)
        finally:
            self._idle.set()

    async def stop(self, grace_s: float) -> None:
        """Let it end, and do not start it again: preStop, SIGTERM, and SIGKILL when the grace is over."""
        self._stopping.set()
        if self._run is not None and self._run.running:
            self._doors.event("Killing", f"Stopping container {self.state.name}", False)
            await self._run.end(grace_s)
        await self._idle.wait()

    def close(self) -> None:
        """Nothing of it will run any more: what waits is called terminated."""
        if isinstance(self.state.now, Waiting):
            self.show(now=self.state.last or _NEVER_RAN)

    def terminate(self) -> None:
        """SIGTERM, at once and without its preStop, and no further start."""
        self._stopping.set()
        if self._run is not None:
            self._run.terminate()

    def kill(self) -> None:
        """SIGKILL, at once, and no further start."""
        self._stopping.set()
        if self._run is not None:
            self._run.kill()

    async def gone(self) -> None:
        """Wait until it has no process."""
        if self._run is not None:
            await self._run.wait()

    async def _run_once(self) -> Terminated | None:
        """Start it and see it end; None if it could not be started yet, after the wait that this takes."""
        try:
            start = await plan_start(self._manifest, self._ground)
            if self._stopping.is_set():
                return None
            log = self._doors.output.begin(self.state.name, self.state.restarts)
        except ImageUnknown as exc:
            await self._wait_for_image(str(exc))
            return None
        except (ConfigError, OSError) as exc:  # OSError: the disk is full, for instance
            reason = "CreateContainerConfigError" if isinstance(exc, ConfigError) else "CreateContainerError"
            self._doors.event("Failed", f"Error: {exc}", True)
            self.show(now=Waiting(reason=reason, message=str(exc)))
            await self._pause(_CONFIG_RETRY_S)
            return None
        except ApiError:
            await self._pause(_API_RETRY_S)
            return None
        name, image, began = self.state.name, self._manifest["image"], datetime.now(UTC)
        self._doors.event("Pulled", f'Container image "{image}" already present on machine', False)
        doors = RunDoors(
            asker=self._doors.asker,
            event=self._doors.event,
            address=self._ground.address,
            started=lambda: self.show(started=True),
            ready=lambda ready: self.show(ready=ready),
            stopping=self._stopping.is_set,
        )
        try:
            self._run = run = await Run.start(self._manifest, start, doors, log=log)
        except CannotStart as exc:
            self._doors.event("Failed", f"Error: {exc}", True)
            self.show(run=uuid4().hex)
            return replace(terminated(_NO_PROGRAM, began, str(exc)), reason="StartError")
        if self._stopping.is_set():  # killed while it was being started
            run.kill()
        self._doors.event("Created", f"Created container: {name}", False)
        self._doors.event("Started", f"Started container {name}", False)
        self.show(now=Running(started_at=began), run=uuid4().hex, started=False, ready=False)
        return await self._accompany(run, began)

    async def _accompany(self, run: Run, began: datetime) -> Terminated:
        """Probe the process until it ends."""
        probing = asyncio.create_task(run.probe(self._doors.grace_s))
        try:
            code = await run.wait()
        finally:
            probing.cancel()
        with suppress(asyncio.CancelledError):
            await probing
        return terminated(code, began, run.message(code))

    def _again(self, ended: Terminated) -> bool:
        if self._stopping.is_set():
            return False
        return self._doors.restart == "Always" or (self._doors.restart == "OnFailure" and ended.exit_code != 0)

    async def _wait_before_restart(self, ended: Terminated) -> None:
        clock = asyncio.get_running_loop().time
        wait_s = self._backoff.wait_s(ended_s=clock())
        if wait_s > 0:
            metadata, name = self._ground.pod["metadata"], self.state.name
            pod = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            text = f"back-off {duration(wait_s)} restarting failed container={name} pod={pod}"
            self._doors.event("BackOff", f"Back-off restarting failed container {name} in pod {pod}", True)
            self.show(now=Waiting(reason="CrashLoopBackOff", message=text), last=ended)
            if await self._pause(wait_s):
                self.show(now=ended)
                return
        self._backoff.restarted(now_s=clock())
        self.show(now=Waiting(reason="ContainerCreating"), last=ended, restarts=self.state.restarts + 1)

    async def _wait_for_image(self, message: str) -> None:
        self._doors.event("Failed", f"Failed: {message}", True)
        self.show(now=Waiting(reason="ErrImagePull", message=message))
        if await self._pause(min(1.0, self._doors.restart_backoff_s)):
            return
        self._pull_backoff.restarted(now_s=asyncio.get_running_loop().time())
        image = self._manifest["image"]
        text = f'Back-off pulling image "{image}": ErrImagePull: {message}'
        self._doors.event("BackOff", f'Back-off pulling image "{image}"', False)
        self.show(now=Waiting(reason="ImagePullBackOff", message=text))
        await self._pause(self._pull_backoff.current_s)

    async def _pause(self, seconds: float) -> bool:
        """Wait; whether the container is to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()
