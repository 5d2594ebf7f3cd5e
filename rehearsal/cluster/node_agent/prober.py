"""Repeats a probe at its pace, until it turns, or for as long as the container runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rehearsal.cluster.node_agent.ask import Asker, Exec
from rehearsal.cluster.node_agent.probe import Probe, Verdict

__all__ = ["Prober"]


class Prober:
    """The probes of one running process.

    The kubelet's pace: startup and liveness probes are first asked one period after the start, since their clock runs
    before the process does; a readiness probe is asked at once.
    """

    def __init__(self, *, asker: Asker, run: Exec, event: Callable[[str, str, bool], None]) -> None:
        self._asker, self._run, self._event = asker, run, event

    async def passes(self, name: str, probe: Probe, *, stopping: Callable[[], bool]) -> bool:
        """Ask until the verdict is clear; whether the probe passed. A container that stops is asked no more."""
        verdict = Verdict(probe, passing=None)
        await asyncio.sleep(max(probe.initial_delay_s, probe.period_s))
        while not stopping():
            await self._ask(name, probe, verdict)
            if verdict.passing is not None:
                return verdict.passing
            await asyncio.sleep(probe.period_s)
        return False

    async def fails(self, name: str, probe: Probe, *, stopping: Callable[[], bool]) -> bool:
        """Ask until the probe has failed; False if the container stops first."""
        verdict = Verdict(probe, passing=True)
        await asyncio.sleep(max(probe.initial_delay_s, probe.period_s))
        while not stopping():
            await self._ask(name, probe, verdict)
            if not verdict.passing:
                return True
            await asyncio.sleep(probe.period_s)
        return False

    async def follow(self, name: str, probe: Probe, turned: Callable[[bool], None]) -> None:
        """Ask until cancelled, and tell each turn."""
        verdict = Verdict(probe, passing=False)
        await asyncio.sleep(probe.initial_delay_s)
        while True:
            if await self._ask(name, probe, verdict):
                turned(bool(verdict.passing))
            await asyncio.sleep(probe.period_s)

    async def _ask(self, name: str, probe: Probe, verdict: Verdict) -> bool:
        answer = await self._asker.ask(probe.action, timeout_s=probe.timeout_s, run=self._run)
        if not answer.passed:
            self._event("Unhealthy", f"{name} probe failed: {answer.text}", True)
        return verdict.hear(passed=answer.passed)
