"""One started process of a container: its probes, hooks, commands inside the container, and its termination message.

run = await ContainerRun.start(manifest, start, context, status, log=log)
await run.end(grace_s=50)        # preStop, SIGTERM, SIGKILL
await run.process.wait()         # exit code
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from rehearsal.cluster.node_agent.container_start import CannotStart, ContainerStart, start_process
from rehearsal.cluster.node_agent.output import last_lines, read_message
from rehearsal.cluster.node_agent.pod_context import PodContext
from rehearsal.cluster.node_agent.probe import ContainerProbe, ProbeStreak, read_action, read_probe
from rehearsal.cluster.node_agent.probe_client import Exec
from rehearsal.cluster.node_agent.state import ContainerStatus
from slipway.platform.async_processes import AsyncChildProcess

__all__ = ["ContainerRun"]

_SHORTEST_GRACE_S = 2.0  # kubelet: minimumGracePeriodInSeconds, after a preStop that took all of it
_CANNOT_START = 128


class Prober:
    """The probes of one running process.

    As in the kubelet, startup and liveness probes are first sent one period after the start; a readiness probe is sent
    at once.
    """

    def __init__(self, context: PodContext, status: ContainerStatus, *, run: Exec) -> None:
        self._context, self._status, self._run = context, status, run

    async def passes(self, name: str, probe: ContainerProbe) -> bool:
        """Probe until the result is determined; returns whether it passed. A stopping container is not probed."""
        streak = ProbeStreak(probe, passing=None)
        await asyncio.sleep(max(probe.initial_delay_s, probe.period_s))
        while not self._status.stopping.is_set():
            await self._send(name, probe, streak)
            if streak.passing is not None:
                return streak.passing
            await asyncio.sleep(probe.period_s)
        return False

    async def fails(self, name: str, probe: ContainerProbe) -> bool:
        """Probe until it has failed; False if the container stops first."""
        streak = ProbeStreak(probe, passing=True)
        await asyncio.sleep(max(probe.initial_delay_s, probe.period_s))
        while not self._status.stopping.is_set():
            await self._send(name, probe, streak)
            if not streak.passing:
                return True
            await asyncio.sleep(probe.period_s)
        return False

    async def follow(self, name: str, probe: ContainerProbe) -> None:
        """Probe until cancelled, and set `ready` at each change."""
        streak = ProbeStreak(probe, passing=False)
        await asyncio.sleep(probe.initial_delay_s)
        while True:
            if await self._send(name, probe, streak):
                self._status.update(ready=bool(streak.passing))
            await asyncio.sleep(probe.period_s)

    async def _send(self, name: str, probe: ContainerProbe, streak: ProbeStreak) -> bool:
        result = await self._context.shared.prober.send(probe.action, timeout_s=probe.timeout_s, run=self._run)
        if not result.passed:
            self._context.event("Unhealthy", f"{name} probe failed: {result.text}", warning=True)
        return streak.add(passed=result.passed)


class ContainerRun:
    """One process of a container.

    Attributes:
        process: The process itself.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any],
        start: ContainerStart,
        context: PodContext,
        status: ContainerStatus,
        *,
        process: AsyncChildProcess,
        log: Path,
    ) -> None:
        self._manifest, self._start, self._context, self._status = manifest, start, context, status
        self.process, self._log = process, log

    @classmethod
    async def start(
        cls,
        manifest: Mapping[str, Any],
        start: ContainerStart,
        context: PodContext,
        status: ContainerStatus,
        *,
        log: Path,
    ) -> Self:
        """Start the process.

        Raises:
            CannotStart: The program does not exist, or the arguments cannot be passed.
        """
        process = await start_process(start.command, environment=start.environment, directory=start.directory, log=log)
        return cls(manifest, start, context, status, process=process, log=log)

    async def end(self, grace_s: float) -> None:
        """preStop, SIGTERM and, after the grace, SIGKILL; returns when the process is gone."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + grace_s
        pre_stop = (self._manifest.get("lifecycle") or {}).get("preStop")
        if pre_stop and grace_s > 0:
            await self._pre_stop(pre_stop, grace_s)
            deadline = max(deadline, clock() + _SHORTEST_GRACE_S)
        self.process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), max(0.0, deadline - clock()))
        self.process.kill()
        await self.process.wait()

    async def probe(self, grace_s: float) -> None:
        """Probe until cancelled, or until a probe has ended the process.

        Args:
            grace_s: The pod's, for a probe that names none.
        """
        manifest, context, status = self._manifest, self._context, self._status
        try:
            startup, readiness, liveness = (
                read_probe(manifest, f"{kind}Probe", address=context.address)
                for kind in ("startup", "readiness", "liveness")
            )
        except ValueError as exc:
            context.event("Unhealthy", str(exc), warning=True)
            status.update(started=True)
            return
        prober = Prober(context, status, run=self.execute)
        if startup and not await prober.passes("Startup", startup):
            await self._give_up("startup", startup, grace_s)
            return
        status.update(started=True)
        async with asyncio.TaskGroup() as group:
            if readiness:
                group.create_task(prober.follow("Readiness", readiness))
            else:
                status.update(ready=True)
            if liveness and await prober.fails("Liveness", liveness):
                await self._give_up("liveness", liveness, grace_s)

    async def execute(self, command: tuple[str, ...]) -> tuple[int, str]:
        """Run a command beside the process, as inside its container: its exit code and its last output."""
        log = self._start.directory / f".exec-{uuid4().hex}.log"
        environment, directory = self._start.environment, self._start.directory
        try:
            process = await start_process(
                tuple(map(self._start.localise, command)), environment=environment, directory=directory, log=log
            )
            try:
                code = await process.wait()
            finally:
                process.kill()
            return code, last_lines(log).strip()
        except CannotStart as exc:
            return _CANNOT_START, str(exc)
        finally:
            log.unlink(missing_ok=True)

    def message(self, code: int) -> str:
        """The termination message: the container's own, or if its policy says so, its last output."""
        left = read_message(self._start.message)
        fallback = self._manifest.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        return last_lines(self._log) if fallback and code != 0 and not left else left

    async def _give_up(self, name: str, probe: ContainerProbe, grace_s: float) -> None:
        """End the process for a restart, unless it is already being stopped."""
        if self._status.stopping.is_set():
            return
        text = f"Container {self._manifest['name']} failed {name} probe, will be restarted"
        self._context.event("Killing", text)
        await self.end(grace_s if probe.grace_s is None else probe.grace_s)

    async def _pre_stop(self, hook: Mapping[str, Any], grace_s: float) -> None:
        """Run the hook until it is done, the process ends, or the grace is over."""
        work, ended = asyncio.create_task(self._hook(hook, grace_s)), asyncio.create_task(self.process.wait())
        try:
            done, _ = await asyncio.wait({work, ended}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
            if work in done and work.result():
                self._context.event("FailedPreStopHook", f"PreStopHook failed: {work.result()}", warning=True)
        finally:
            work.cancel()
            ended.cancel()

    async def _hook(self, hook: Mapping[str, Any], grace_s: float) -> str:
        """Run the hook; returns the error message, empty on success."""
        if (sleep := hook.get("sleep")) is not None:
            await asyncio.sleep(sleep["seconds"])
            return ""
        try:
            action = read_action(hook, self._manifest, address=self._context.address)
        except ValueError as exc:
            return str(exc)
        result = await self._context.shared.prober.send(action, timeout_s=grace_s, run=self.execute)
        return "" if result.passed else result.text or "it failed"
