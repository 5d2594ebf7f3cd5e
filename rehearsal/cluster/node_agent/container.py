"""The lifecycle of one container: start, exit, back-off and restart, until it has ended for good or is stopped.

container = Container(manifest, context, restart="Always", state=state, changed=publish)
task = asyncio.create_task(container.run())
await container.stop(grace_s=50)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from rehearsal.cluster.node_agent.container_run import ContainerRun
from rehearsal.cluster.node_agent.container_start import CannotStart, plan_start
from rehearsal.cluster.node_agent.environment import ConfigError
from rehearsal.cluster.node_agent.image_programs import ImageUnknown
from rehearsal.cluster.node_agent.pod_context import PodContext
from rehearsal.cluster.node_agent.state import ContainerState, ContainerStatus, Running, Terminated, Waiting, terminated
from rehearsal.errors import ApiError

__all__ = ["Backoff", "Container", "duration"]

_CONFIG_RETRY_S = 5.0
_API_RETRY_S = 1.0
_NO_PROGRAM = 128
_NEVER_RAN = Terminated(
    exit_code=137,
    reason="ContainerStatusUnknown",
    message="The container could not be located when the pod was terminated",
)

_LONGEST_S = 300.0


class Backoff:
    """The first restart is immediate, the second waits `first_s` from the container's end, each next one twice as long.

    The longest wait is 300 s. A container that ended 600 s or later after its last start begins again at the front
    (kubelet: pkg/kubelet/kuberuntime, `doBackOff`; client-go: util/flowcontrol, `Backoff`).
    """

    def __init__(self, first_s: float) -> None:
        self._first_s = first_s
        self._wait_s = 0.0
        self._restarted_s: float | None = None

    def wait_s(self, *, ended_s: float) -> float:
        """Seconds to wait from the container's end; call `restarted` after the restart.

        Args:
            ended_s: When the container ended.
        """
        return 0.0 if self._expired(ended_s) else self._wait_s

    @property
    def current_s(self) -> float:
        """The current back-off in seconds; 0 before the first restart."""
        return self._wait_s

    def restarted(self, *, now_s: float) -> None:
        """A restart begins: the next one waits longer.

        Args:
            now_s: By the same clock as the ends.
        """
        self._wait_s = self._first_s if self._expired(now_s) else min(2 * self._wait_s, _LONGEST_S)
        self._restarted_s = now_s

    def _expired(self, now_s: float) -> bool:
        return self._restarted_s is None or now_s - self._restarted_s > 2 * _LONGEST_S


def duration(seconds: float) -> str:
    """A duration in Go's format, as in the kubelet's messages: 500ms, 10s, 1m20s, 5m0s."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


class Container:
    """One container of a pod.

    Attributes:
        status: Its state, and whether it is to stop.
    """

    def __init__(
        self, manifest: Mapping[str, Any], context: PodContext, *, restart: str, state: ContainerState,
        changed: Callable[[], None],
    ) -> None:  # fmt: skip
        """Create it; nothing is started yet.

        Args:
            manifest: Its part of the pod's.
            context: Context of its pod.
            restart: Restart policy: `Always`, `OnFailure` or `Never`.
            state: The initial state, possibly the last one that an earlier node agent reported.
            changed: Called after each change of the state.
        """
        self.status = ContainerStatus(state, changed)
        self._manifest, self._context, self._restart = manifest, context, restart
        first_s = context.shared.restart_backoff_s
        self._backoff, self._pull_backoff = Backoff(first_s), Backoff(first_s)
        self._run: ContainerRun | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def state(self) -> ContainerState:
        """The newest."""
        return self.status.state

    async def run(self) -> None:
        """Run it until it has ended finally, or is stopped."""
        if isinstance(self.state.now, Terminated):
            return
        self._idle.clear()
        try:
            while not self.status.stopping.is_set():
                ended = await self._run_once()
                if ended is None:
                    continue
                self.status.update(now=ended, started=False, ready=False)
                if not self._restarts(ended):
                    return
                await self._wait_before_restart(ended)
        finally:
            self._idle.set()

    async def stop(self, grace_s: float) -> None:
        """Stop it, and do not start it again: preStop, SIGTERM, and SIGKILL when the grace is over."""
        self.status.stopping.set()
        if self._run is not None and self._run.process.running:
            self._context.event("Killing", f"Stopping container {self.state.name}")
            await self._run.end(grace_s)
        await self._idle.wait()

    def close(self) -> None:
        """Report a waiting container as terminated: it will not run again."""
        if isinstance(self.state.now, Waiting):
            self.status.update(now=self.state.last or _NEVER_RAN)

    def terminate(self) -> None:
        """SIGTERM, at once and without its preStop, and no further start."""
        self.status.stopping.set()
        if self._run is not None:
            self._run.process.terminate()

    def kill(self) -> None:
        """SIGKILL, at once, and no further start."""
        self.status.stopping.set()
        if self._run is not None:
            self._run.process.kill()

    async def gone(self) -> None:
        """Wait until it has no process."""
        if self._run is not None:
            await self._run.process.wait()

    async def _run_once(self) -> Terminated | None:
        """Start it and wait for its exit; None if it could not be started yet, after a pause."""
        try:
            start = await plan_start(self._manifest, self._context)
            if self.status.stopping.is_set():
                return None
            log = self._context.output.begin(self.state.name, self.state.restarts)
        except ImageUnknown as exc:
            await self._wait_for_image(str(exc))
            return None
        except (ConfigError, OSError) as exc:  # OSError: for example, the disk is full
            reason = "CreateContainerConfigError" if isinstance(exc, ConfigError) else "CreateContainerError"
            self._context.event("Failed", f"Error: {exc}", warning=True)
            self.status.update(now=Waiting(reason=reason, message=str(exc)))
            await self._pause(_CONFIG_RETRY_S)
            return None
        except ApiError:
            await self._pause(_API_RETRY_S)
            return None
        name, image, began = self.state.name, self._manifest["image"], datetime.now(UTC)
        self._context.event("Pulled", f'Container image "{image}" already present on machine')
        try:
            self._run = run = await ContainerRun.start(self._manifest, start, self._context, self.status, log=log)
        except CannotStart as exc:
            self._context.event("Failed", f"Error: {exc}", warning=True)
            self.status.update(run=uuid4().hex)
            return replace(terminated(_NO_PROGRAM, began, str(exc)), reason="StartError")
        if self.status.stopping.is_set():  # killed while it was being started
            run.process.kill()
        self._context.event("Created", f"Created container: {name}")
        self._context.event("Started", f"Started container {name}")
        self.status.update(now=Running(started_at=began), run=uuid4().hex, started=False, ready=False)
        return await self._probe_until_exit(run, began)

    async def _probe_until_exit(self, run: ContainerRun, began: datetime) -> Terminated:
        """Probe the process until it ends."""
        probing = asyncio.create_task(run.probe(self._context.grace_s))
        try:
            code = await run.process.wait()
        finally:
            probing.cancel()
        with suppress(asyncio.CancelledError):
            await probing
        return terminated(code, began, run.message(code))

    def _restarts(self, ended: Terminated) -> bool:
        if self.status.stopping.is_set():
            return False
        return self._restart == "Always" or (self._restart == "OnFailure" and ended.exit_code != 0)

    async def _wait_before_restart(self, ended: Terminated) -> None:
        clock = asyncio.get_running_loop().time
        wait_s = self._backoff.wait_s(ended_s=clock())
        if wait_s > 0:
            metadata, name = self._context.pod["metadata"], self.state.name
            pod = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            text = f"back-off {duration(wait_s)} restarting failed container={name} pod={pod}"
            self._context.event("BackOff", f"Back-off restarting failed container {name} in pod {pod}", warning=True)
            self.status.update(now=Waiting(reason="CrashLoopBackOff", message=text), last=ended)
            if await self._pause(wait_s):
                self.status.update(now=ended)
                return
        self._backoff.restarted(now_s=clock())
        self.status.update(now=Waiting(reason="ContainerCreating"), last=ended, restarts=self.state.restarts + 1)

    async def _wait_for_image(self, message: str) -> None:
        self._context.event("Failed", f"Failed: {message}", warning=True)
        self.status.update(now=Waiting(reason="ErrImagePull", message=message))
        if await self._pause(min(1.0, self._context.shared.restart_backoff_s)):
            return
        self._pull_backoff.restarted(now_s=asyncio.get_running_loop().time())
        image = self._manifest["image"]
        text = f'Back-off pulling image "{image}": ErrImagePull: {message}'
        self._context.event("BackOff", f'Back-off pulling image "{image}"')
        self.status.update(now=Waiting(reason="ImagePullBackOff", message=text))
        await self._pause(self._pull_backoff.current_s)

    async def _pause(self, seconds: float) -> bool:
        """Wait; whether the container is to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.status.stopping.wait(), seconds)
        return self.status.stopping.is_set()
