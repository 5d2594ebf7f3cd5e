"""What the checks read: the scenario, what was seen, and each second of the load held against the objective."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np

from loadtest.figures import SecondRow
from loadtest.result import Result
from rehearsal.observed import Observations, Sample
from rehearsal.scenario import Scenario

__all__ = ["HELD_S", "Evidence", "SloSecond"]

HELD_S = 5
"""Seconds in a row that must be inside the objective before it counts as held again."""
_SHARE = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class SloSecond:
    """The requests that were due in one second of the window.

    Attributes:
        second: From the start of the window.
        due: How many.
        good: Answered rightly, within the objective.
        failed: Without a right answer in time.
        mean_s: Mean latency of the answered, in seconds.
    """

    second: int
    due: int
    good: int
    failed: int
    mean_s: float

    @property
    def inside(self) -> bool:
        """Whether 99 % of the due requests were answered within the objective: its p99, failures as endless waits."""
        return self.good >= _SHARE * self.due

    @classmethod
    def of(cls, row: SecondRow, bound_ms: float) -> Self:
        """Hold a second against a bound in milliseconds."""
        latency = row.histogram("latency")
        good = int(latency.counts[latency.middles_ns() <= bound_ms * 1e6].sum())
        failed = sum(row.errors.values())
        return cls(second=row.second, due=row.due, good=good, failed=failed, mean_s=latency.mean_ns / 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a verdict is made of.

    Attributes:
        scenario: As it was run.
        load: What the load test measured.
        observed: What was seen of the cluster.
        seconds: Of the measured window, ascending.
    """

    scenario: Scenario
    load: Result
    observed: Observations
    seconds: tuple[SloSecond, ...]

    @classmethod
    def of(cls, scenario: Scenario, load: Result, observed: Observations) -> Self:
        """Decode the seconds once."""
        bound_ms = scenario.slo.p99_ms
        seconds = tuple(SloSecond.of(row, bound_ms) for row in load.seconds if row.measured)
        return cls(scenario=scenario, load=load, observed=observed, seconds=seconds)

    @property
    def window_s(self) -> float:
        """Length of what was measured."""
        return self.load.figures.window_s

    def window_samples(self) -> Iterator[Sample]:
        """Looks at the cluster within the measured window."""
        return (sample for sample in self.observed.samples if 0 <= sample.at_s <= self.window_s)

    def asked_s(self, rise_s: float) -> float | None:
        """Seconds from a rise of the load until more replicas were asked for than before it; None: never."""
        before = [sample.wanted for sample in self.observed.samples if sample.at_s <= rise_s and sample.wanted]
        if not before:
            return None
        return next(
            (
                sample.at_s - rise_s
                for sample in self.observed.samples
                if sample.at_s > rise_s and max(sample.wanted or 0, sample.desired or 0) > before[-1]
            ),
            None,
        )

    def nodes_ready_s(self) -> float | None:
        """Second, from the jump on, in which the GPUs that the highest load needs were ready; None: they never were."""
        jump_s, load = self.scenario.load.jump_s, self.scenario.load
        moments = {jump_s, *(at_s for at_s, _ in load.arrivals.profile if jump_s <= at_s < load.arrivals.seconds)}
        needed = max(self.scenario.replicas_needed(at_s) for at_s in moments)
        ready = {node.ready_s for node in self.observed.nodes if node.ready_s is not None}
        return next(
            (
                at_s
                for at_s in sorted({jump_s, *(moment for moment in ready if moment > jump_s)})
                if sum(node.gpus for node in self.observed.nodes if node.is_ready(at_s)) >= needed
            ),
            None,
        )

    def recovered_s(self, from_s: float) -> float | None:
        """Second at or after `from_s` from which the objective held; None: it did not hold again.

        It does when the next five seconds are each inside it, and 99 % of all requests from there to the end are.
        """
        rest = [row for row in self.seconds if row.second >= int(from_s)]
        due = np.cumsum([row.due for row in reversed(rest)])[::-1]
        good = np.cumsum([row.good for row in reversed(rest)])[::-1]
        for place, row in enumerate(rest):
            if all(each.inside for each in rest[place : place + HELD_S]) and good[place] >= _SHARE * due[place]:
                return max(from_s, float(row.second))
        return None

    def stopped(self) -> Sequence[tuple[float, float]]:
        """Spans in which the scenario itself kept programs down, in seconds; a while for coming back is added."""
        down: dict[str, float] = {}
        spans = []
        for action in sorted(self.scenario.actions, key=lambda action: action.at_s):
            if action.do == "stop":
                down |= dict.fromkeys(action.programs, action.at_s)
            elif action.do == "start":
                spans += [(down.pop(name), action.at_s + 20.0) for name in action.programs if name in down]
        return sorted([*spans, *((begin_s, float("inf")) for begin_s in down.values())])


def needed_over_time(scenario: Scenario, *, lead_s: float) -> Iterator[tuple[float, float, int]]:
    """What an oracle that knew the load would run: (begin, end, replicas) in seconds, each asked `lead_s` ahead."""
    profile = scenario.load.arrivals.profile
    end_s = scenario.load.arrivals.seconds
    cuts = sorted({0.0, end_s, *(cut for at_s, _ in profile for cut in (at_s, at_s - lead_s) if 0 < cut < end_s)})
    cuts = sorted({*cuts, *(float(second) for second in range(int(end_s)))})
    for begin_s, stop_s in pairwise(cuts):
        ahead = [at_s for at_s, _ in profile if begin_s < at_s <= begin_s + lead_s and at_s < end_s]
        needed = max(scenario.replicas_needed(at_s) for at_s in (begin_s, min(begin_s + lead_s, end_s - 1e-6), *ahead))
        yield begin_s, stop_s, needed
