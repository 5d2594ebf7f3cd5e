"""One started process of a container: its probes, commands beside it, its end and what it leaves.

run = await Run.start(manifest, start, doors, log=log)
await run.end(grace_s=50)        # preStop, SIGTERM, SIGKILL
await run.wait()                 # exit code
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from rehearsal.cluster.node_agent.ask import Asker
from rehearsal.cluster.node_agent.output import last_lines, read_message
from rehearsal.cluster.node_agent.probe import Probe, read_action, read_probe
from rehearsal.cluster.node_agent.prober import Prober
from rehearsal.cluster.node_agent.process import CannotStart, Process
from rehearsal.cluster.node_agent.starting import Start

__all__ = ["Run", "RunDoors"]

_SHORTEST_GRACE_S = 2.0  # kubelet: minimumGracePeriodInSeconds, after a preStop that took all of it
_CANNOT_START = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDoors:
    """What a run asks and tells.

    Attributes:
        asker: Asks probes.
        event: Takes reason, message and whether it is a warning.
        address: The pod's.
        started: Told once the startup probe has passed.
        ready: Told each time readiness turns.
        stopping: Whether the container is to end for good: then only readiness is still probed.
    """

    asker: Asker
    event: Callable[[str, str, bool], None]
    address: str
    started: Callable[[], None]
    ready: Callable[[bool], None]
    stopping: Callable[[], bool]


class Run:
    """One process of one container."""

    def __init__(self, manifest: Mapping[str, Any], start: Start, doors: RunDoors, process: Process, log: Path) -> None:
        self._manifest, self._start, self._doors = manifest, start, doors
        self._process, self._log = process, log

    @classmethod
    async def start(cls, manifest: Mapping[str, Any], start: Start, doors: RunDoors, *, log: Path) -> Self:
        """Start the process.

        Raises:
            CannotStart: The program is not there, or the arguments cannot be handed over.
        """
        process = await Process.start(start.command, environment=start.environment, directory=start.directory, log=log)
        return cls(manifest, start, doors, process, log)

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.running

    async def wait(self) -> int:
        """Wait for the end; the exit code, below zero for a signal."""
        return await self._process.wait()

    def terminate(self) -> None:
        """SIGTERM, at once."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL, at once."""
        self._process.kill()

    async def end(self, grace_s: float) -> None:
        """preStop, SIGTERM and, after the grace, SIGKILL; returns when the process is gone."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + grace_s
        pre_stop = (self._manifest.get("lifecycle") or {}).get("preStop")
        if pre_stop and grace_s > 0:
            await self._pre_stop(pre_stop, grace_s)
            deadline = max(deadline, clock() + _SHORTEST_GRACE_S)
        self._process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), max(0.0, deadline - clock()))
        self._process.kill()
        await self._process.wait()

    async def probe(self, grace_s: float) -> None:
        """Probe until cancelled, or until a probe has ended the process.

        Args:
            grace_s: The pod's, for a probe that names none.
        """
        manifest, address, doors = self._manifest, self._doors.address, self._doors
        try:
            startup, readiness, liveness = (
                read_probe(manifest, f"{kind}Probe", address=address) for kind in ("startup", "readiness", "liveness")
            )
        except ValueError as exc:
            doors.event("Unhealthy", str(exc), True)
            doors.started()
            return
        prober = Prober(asker=doors.asker, run=self.execute, event=doors.event)
        if startup and not await prober.passes("Startup", startup, stopping=doors.stopping):
            await self._give_up("startup", startup, grace_s)
            return
        doors.started()
        async with asyncio.TaskGroup() as group:
            if readiness:
                group.create_task(prober.follow("Readiness", readiness, doors.ready))
            else:
                doors.ready(True)
            if liveness and await prober.fails("Liveness", liveness, stopping=doors.stopping):
                await self._give_up("liveness", liveness, grace_s)

    async def execute(self, command: tuple[str, ...]) -> tuple[int, str]:
        """Run a command beside the process, as inside its container: its exit code and what it said last."""
        log = self._start.directory / f".exec-{uuid4().hex}.log"
        environment, directory = self._start.environment, self._start.directory
        try:
            process = await Process.start(
                tuple(map(self._start.here, command)), environment=environment, directory=directory, log=log
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
        """The termination message: what the container wrote, else, where its policy says so, its last output."""
        left = read_message(self._start.message)
        fallback = self._manifest.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        return last_lines(self._log) if fallback and code != 0 and not left else left

    async def _give_up(self, name: str, probe: Probe, grace_s: float) -> None:
        """End the process, which is then started again; one that stops anyway is left to its stop."""
        if self._doors.stopping():
            return
        text = f"Container {self._manifest['name']} failed {name} probe, will be restarted"
        self._doors.event("Killing", text, False)
        await self.end(grace_s if probe.grace_s is None else probe.grace_s)

    async def _pre_stop(self, hook: Mapping[str, Any], grace_s: float) -> None:
        """Run the hook until it is done, the process ends, or the grace is over."""
        work, ended = asyncio.create_task(self._hook(hook, grace_s)), asyncio.create_task(self._process.wait())
        try:
            done, _ = await asyncio.wait({work, ended}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
            if work in done and work.result():
                self._doors.event("FailedPreStopHook", f"PreStopHook failed: {work.result()}", True)
        finally:
            work.cancel()
            ended.cancel()

    async def _hook(self, hook: Mapping[str, Any], grace_s: float) -> str:
        """What went wrong; empty if nothing."""
        if (sleep := hook.get("sleep")) is not None:
            await asyncio.sleep(sleep["seconds"])
            return ""
        try:
            action = read_action(hook, self._manifest, address=self._doors.address)
        except ValueError as exc:
            return str(exc)
        answer = await self._doors.asker.ask(action, timeout_s=grace_s, run=self.execute)
        return "" if answer.passed else answer.text or "it failed"
