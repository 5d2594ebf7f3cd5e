"""Repeats a probe at its period, until its result changes, or for as long as the container runs."""

from __future__ import annotations

import asyncio

from rehearsal.cluster.node_agent.pod_context import PodContext
from rehearsal.cluster.node_agent.probe import ContainerProbe, ProbeStreak
from rehearsal.cluster.node_agent.probe_client import Exec
from rehearsal.cluster.node_agent.state import ContainerStatus

__all__ = ["Prober"]


class Prober:
    """The probes of one running process.

    The kubelet's pace: startup and liveness probes are first sent one period after the start, since their clock runs
    before the process does; a readiness probe is sent at once.
    """

    def __init__(self, context: PodContext, status: ContainerStatus, *, run: Exec) -> None:
        self._context, self._status, self._run = context, status, run

    async def passes(self, name: str, probe: ContainerProbe) -> bool:
        """Probe until the result is clear; whether it passed. A container that stops is no longer probed."""
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
