"""Any process: the kinds of arrivals: each a rate over time, linear between points.

arrivals = PoissonArrivals(kind="poisson", rate_rps=500, duration_s=30)
arrivals.profile                                         # [(0.0, 500.0), (30.0, 500.0)]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from loadtest.scenario.rate_trace import RatePoint, read_trace
from slipway.platform.settings import Settings

__all__ = [
    "Arrivals",
    "ClosedArrivals",
    "ConstantArrivals",
    "DiurnalArrivals",
    "OpenArrivals",
    "PoissonArrivals",
    "RatePoint",
    "RateStep",
    "SpikeArrivals",
    "StepsArrivals",
    "TraceArrivals",
]

MOST_REQUESTS = 20_000_000

Rate = Annotated[float, Field(gt=0, le=1_000_000)]
DurationSeconds = Annotated[float, Field(gt=0, le=7 * 86_400)]
Process = Literal["poisson", "constant"]


class OpenArrivals(Settings):
    """Base of the open-loop kinds: requests arrive whether or not earlier ones were answered."""

    process: Process = "poisson"
    """Arrival process at a given rate: independent users (poisson), or equal intervals (constant)."""

    @property
    def profile(self) -> Sequence[RatePoint]:
        """The rate: linear between points, ascending in time, from 0 to the end. Two points at one time are a step."""
        raise NotImplementedError

    @property
    def seconds(self) -> float:
        """Length of the measured window."""
        return self.profile[-1][0]

    @property
    def expected_requests(self) -> float:
        """The rate's integral over the window."""
        return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(self.profile))

    @property
    def mean_rps(self) -> float:
        """Requests per second, averaged over the window."""
        return self.expected_requests / self.seconds

    @property
    def warmup_rps(self) -> float:
        """The rate before the window."""
        return self.profile[0][1]

    @model_validator(mode="after")
    def _fits_in_memory(self) -> OpenArrivals:
        if self.expected_requests > MOST_REQUESTS:
            raise ValueError(
                f"expected at most {MOST_REQUESTS:,} requests in a run, got {self.expected_requests:,.0f}; "
                "offer fewer, or for a shorter time"
            )
        return self


class ConstantArrivals(OpenArrivals):
    """Requests at equal intervals."""

    kind: Literal["constant"]
    process: Literal["constant"] = "constant"
    rate_rps: Rate
    duration_s: DurationSeconds

    @property
    def profile(self) -> Sequence[RatePoint]:
        """A constant rate."""
        return [(0.0, self.rate_rps), (self.duration_s, self.rate_rps)]


class PoissonArrivals(OpenArrivals):
    """Many independent users: intervals between requests are exponentially distributed."""

    kind: Literal["poisson"]
    process: Literal["poisson"] = "poisson"
    rate_rps: Rate
    duration_s: DurationSeconds

    @property
    def profile(self) -> Sequence[RatePoint]:
        """A constant rate."""
        return [(0.0, self.rate_rps), (self.duration_s, self.rate_rps)]


class RateStep(Settings):
    """A rate and its duration."""

    rate_rps: Rate
    duration_s: DurationSeconds


class StepsArrivals(OpenArrivals):
    """One rate after another."""

    kind: Literal["steps"]
    steps: Annotated[list[RateStep], Field(min_length=1)]

    @property
    def profile(self) -> Sequence[RatePoint]:
        """The rate jumps between steps."""
        points: list[RatePoint] = []
        at_s = 0.0
        for step in self.steps:
            points += [(at_s, step.rate_rps), (at_s + step.duration_s, step.rate_rps)]
            at_s += step.duration_s
        return points


class SpikeArrivals(OpenArrivals):
    """A base rate, a spike, and the base rate again."""

    kind: Literal["spike"]
    rate_rps: Rate
    spike_rps: Rate
    spike_at_s: Annotated[float, Field(ge=0)]
    spike_s: DurationSeconds
    duration_s: DurationSeconds

    @model_validator(mode="after")
    def _spike_is_inside(self) -> SpikeArrivals:
        if self.spike_at_s + self.spike_s > self.duration_s:
            raise ValueError(
                f"the spike ends {self.spike_at_s + self.spike_s:g} s after the start, and the run after "
                f"{self.duration_s:g} s; expected spike_at_s + spike_s <= duration_s"
            )
        return self

    @property
    def profile(self) -> Sequence[RatePoint]:
        """The rate jumps up, and down again."""
        begin_s, end_s = self.spike_at_s, self.spike_at_s + self.spike_s
        return [
            (0.0, self.rate_rps),
            (begin_s, self.rate_rps),
            (begin_s, self.spike_rps),
            (end_s, self.spike_rps),
            (end_s, self.rate_rps),
            (self.duration_s, self.rate_rps),
        ]


class DiurnalArrivals(OpenArrivals):
    """Day and night: the rate is a sine between its minimum, at which it begins, and its maximum."""

    kind: Literal["diurnal"]
    low_rps: Rate
    high_rps: Rate
    period_s: DurationSeconds
    """Length of one day."""
    duration_s: DurationSeconds

    @model_validator(mode="after")
    def _low_is_lower(self) -> DiurnalArrivals:
        if self.low_rps > self.high_rps:
            raise ValueError(f"expected low_rps <= high_rps, got {self.low_rps:g} and {self.high_rps:g}")
        return self

    @property
    def profile(self) -> Sequence[RatePoint]:
        """Linear approximation of the sine."""
        pieces = max(2, math.ceil(self.duration_s / self.period_s * 96))  # a quarter of an hour of a day
        times = [self.duration_s * i / pieces for i in range(pieces + 1)]
        half = (self.high_rps - self.low_rps) / 2
        return [(t, self.low_rps + half * (1 - math.cos(2 * math.pi * t / self.period_s))) for t in times]


class TraceArrivals(OpenArrivals):
    """A recorded load: a CSV file with the columns `at_s,rate_rps`, linear in between."""

    kind: Literal["trace"]
    file: str
    """Relative to the scenario's file."""
    points: Annotated[tuple[Annotated[RatePoint, Field(strict=False)], ...], Field(strict=False)] = ()
    """The file's points, filled in when the scenario is read: reports and workers use them instead of the file."""

    @model_validator(mode="before")
    @classmethod
    def _read_file(cls, values: Any) -> Any:  # noqa: ANN401 - whatever stands in the scenario
        if isinstance(values, dict) and isinstance(values.get("file"), str) and not values.get("points"):
            return {**values, "points": read_trace(Path(values["file"]))}
        return values

    @property
    def profile(self) -> Sequence[RatePoint]:
        """The recorded points."""
        return self.points


class ClosedArrivals(Settings):
    """A fixed number of users, each of which waits for a response before it sends the next request. For comparison.

    A stalled server gets no requests during the stall, so hardly any latency contains it ("coordinated
    omission", G. Tene, "How NOT to Measure Latency").
    """

    kind: Literal["closed"]
    users: Annotated[int, Field(ge=1, le=10_000)]
    think_time_ms: Annotated[float, Field(ge=0)] = 0.0
    """Pause of each user between a response and the next request."""
    duration_s: DurationSeconds

    @property
    def seconds(self) -> float:
        """Length of the measured window."""
        return self.duration_s


Arrivals = Annotated[
    ConstantArrivals
    | PoissonArrivals
    | StepsArrivals
    | SpikeArrivals
    | DiurnalArrivals
    | TraceArrivals
    | ClosedArrivals,
    Field(discriminator="kind"),
]
