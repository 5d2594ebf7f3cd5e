"""Evidence for the checks: the scenario, the observations, and each second of the load against the objective."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from loadtest.result.metrics import SecondRow
from loadtest.result.run_result import Result
from rehearsal.experiment.result.observations import Observations, Sample
from rehearsal.experiment.scenario.schema import RehearsalScenario

__all__ = ["HELD_S", "Evidence", "SloSecond", "gpus_per_replica", "needed_over_time", "slo_seconds"]

HELD_S = 5
"""Consecutive seconds inside the objective after which it counts as met again."""
_SHARE = 0.99
_RECOVERY_S = 25.0
"""Recovery time of a program that the scenario restarted, including its health check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SloSecond:
    """The requests that were due in one second of the window.

    Attributes:
        second: Seconds from the start of the window.
        due: Number of due requests.
        good: Requests answered correctly within the objective.
        failed: Requests without a correct response in time.
        mean_s: Mean latency of the answered, in seconds.
    """

    second: int
    due: int
    good: int
    failed: int
    mean_s: float

    @property
    def inside(self) -> bool:
        """Whether p99 met the objective: 99 % of the due requests were answered within it."""
        return self.good >= _SHARE * self.due

    @classmethod
    def of(cls, row: SecondRow, bound_ms: float) -> Self:
        """Compare a second with a bound in milliseconds."""
        latency = row.histogram("latency")
        good = int(latency.counts[latency.middles_ns() <= bound_ms * 1e6].sum())
        failed = sum(row.errors.values())
        return cls(second=row.second, due=row.due, good=good, failed=failed, mean_s=latency.mean_ns / 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The evidence for a verdict.

    Attributes:
        scenario: The scenario with overrides applied.
        load: Result of the load test.
        observed: Observations of the cluster.
        seconds: Seconds of the measured window, ascending.
        gpus_per_replica: GPUs that each replica takes; 0: it is served without.
    """

    scenario: RehearsalScenario
    load: Result
    observed: Observations
    seconds: tuple[SloSecond, ...]
    gpus_per_replica: int

    @classmethod
    def of(
        cls, scenario: RehearsalScenario, load: Result, observed: Observations, *, values: Mapping[str, Any]
    ) -> Self:
        """Decode the seconds once.

        Args:
            scenario: The scenario with overrides applied.
            load: Result of the load test.
            observed: Observations of the cluster.
            values: Effective values of the chart.
        """
        return cls(
            scenario=scenario,
            load=load,
            observed=observed,
            seconds=slo_seconds(scenario, load),
            gpus_per_replica=gpus_per_replica(values),
        )

    @property
    def window_s(self) -> float:
        """Length of the measured window."""
        return self.load.figures.window_s

    def window_samples(self) -> Iterator[Sample]:
        """Samples of the cluster within the measured window."""
        return (sample for sample in self.observed.samples if 0 <= sample.at_s <= self.window_s)

    def asked_s(self, rise_s: float) -> float | None:
        """Seconds from a rise of the load until more replicas were requested; None if they never were."""
        requested = [sample.wanted for sample in self.observed.samples if sample.at_s <= rise_s]
        replicas_before = [wanted for wanted in requested if wanted is not None]
        if not replicas_before:
            return None
        return next(
            (
                sample.at_s - rise_s
                for sample in self.observed.samples
                if sample.at_s > rise_s and max(sample.wanted or 0, sample.desired or 0) > replicas_before[-1]
            ),
            None,
        )

    def nodes_ready_s(self) -> float | None:
        """Second, from the jump on, in which the GPUs that the highest load needs were ready; None: they never were.

        A replica's GPUs are those of one node. Replicas without GPUs wait for none: it is the jump itself.
        """
        jump_s = self.scenario.load.jump_s
        if not self.gpus_per_replica:
            return jump_s
        needed = self.scenario.replicas_needed(jump_s, self.scenario.load.arrivals.seconds)
        ready = {node.ready_s for node in self.observed.nodes if node.ready_s is not None}
        return next(
            (
                at_s
                for at_s in sorted({jump_s, *(moment for moment in ready if moment > jump_s)})
                if self._room(at_s) >= needed
            ),
            None,
        )

    def _room(self, at_s: float) -> int:
        """Number of replicas that fit on the GPUs of ready nodes."""
        return sum(node.gpus // self.gpus_per_replica for node in self.observed.nodes if node.is_ready(at_s))

    def recovered_s(self, from_s: float) -> float | None:
        """Second at or after `from_s` from which the objective held; None: it did not hold again.

        It does when the next five seconds, all of them in the window, are each inside it, and 99 % of all requests from
        there to the end are. A second in which nothing was due is inside.
        """
        rest = [row for row in self.seconds if row.second >= int(from_s)]
        due = np.cumsum([row.due for row in reversed(rest)])[::-1]
        good = np.cumsum([row.good for row in reversed(rest)])[::-1]
        for place, row in enumerate(rest):
            held_s = row.second + HELD_S
            if held_s > self.window_s:
                break
            held = all(each.inside for each in rest[place : place + HELD_S] if each.second < held_s)
            if held and good[place] >= _SHARE * due[place]:
                return max(from_s, float(row.second))
        return None

    def stopped(self) -> Sequence[tuple[float, float]]:
        """Spans in which the scenario itself kept programs down, in seconds; a time for recovery is added."""
        down: dict[str, float] = {}
        spans = []
        for action in sorted(self.scenario.actions, key=lambda action: action.at_s):
            if action.do == "stop":
                down |= dict.fromkeys(action.programs, action.at_s)
            elif action.do == "start":
                spans += [(down.pop(name), action.at_s + _RECOVERY_S) for name in action.programs if name in down]
        return sorted([*spans, *((begin_s, float("inf")) for begin_s in down.values())])


def slo_seconds(scenario: RehearsalScenario, load: Result) -> tuple[SloSecond, ...]:
    """Each second of the measured window against the scenario's objective."""
    return tuple(SloSecond.of(row, scenario.slo.p99_ms) for row in load.seconds if row.measured)


def gpus_per_replica(values: Mapping[str, Any]) -> int:
    """GPUs that each replica takes by the chart's values, 0 without; what they leave out is as in the chart, one."""
    gpu = values.get("gpu") or {}
    return int(gpu.get("count", 1)) if gpu.get("enabled", True) else 0


def needed_over_time(scenario: RehearsalScenario, *, lead_s: float) -> Iterator[tuple[float, float, int]]:
    """Replicas of an oracle that knows the load in advance: (begin, end, replicas), each requested `lead_s` ahead.

    A piece is a second or less, with the replicas that the load needs at most between its begin and `lead_s` past its
    end.
    """
    profile = scenario.load.arrivals.profile
    end_s = scenario.load.arrivals.seconds
    cuts = sorted({0.0, end_s, *(cut for at_s, _ in profile for cut in (at_s, at_s - lead_s) if 0 < cut < end_s)})
    cuts = sorted({*cuts, *(float(second) for second in range(int(end_s)))})
    for begin_s, stop_s in pairwise(cuts):
        yield begin_s, stop_s, scenario.replicas_needed(begin_s, stop_s + lead_s)
