"""Master and workers: what one process of the generator does: the scenario, its images, its share, and the due times.

    plan.schedule_ns()                                      # of every request of the run
    due_times_ns(arrivals, warmup_s=3, seed=7)              # int64, ascending, from 0

The coordinator makes one plan and sends it to each worker; from it every process computes the same schedule
and takes its part.

Every open-loop kind is a rate that is linear between points. A process of rate 1 is drawn once and mapped through the
inverse of the rate's integral (Cinlar, "Introduction to Stochastic Processes", 1975, chapter 4.7: time change), so
the same seed gives the same requests, moved where the rate says.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from loadtest.scenario.arrivals import ClosedArrivals, OpenArrivals, Process
from loadtest.scenario.payload import Payload
from loadtest.scenario.rate_trace import RatePoint
from loadtest.scenario.schema import WITH_SECRETS, Scenario

__all__ = ["Plan", "due_times_ns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One process's part of one run.

    Attributes:
        scenario: The scenario of the whole run.
        payload: Images to send.
        begin_wall_ns: `time.time_ns()` at which the warm-up begins, on every process's clock.
        share: Number of the process, from 0.
        shares: Number of processes; request i belongs to share i % shares.
        others_cores: Cores that a local server is bound to and the generator must not use; empty if it is not bound,
            or remote.
    """

    scenario: Scenario
    payload: Payload
    begin_wall_ns: int
    share: int = 0
    shares: int = 1
    others_cores: tuple[int, ...] = ()

    @property
    def open_loop(self) -> bool:
        """Whether requests are sent when they are due."""
        return not isinstance(self.scenario.arrivals, ClosedArrivals)

    @property
    def window_begin_ns(self) -> int:
        """Start of the measured window, from the start of the warm-up."""
        return round(self.scenario.warmup_s * 1e9)

    @property
    def end_ns(self) -> int:
        """End of the measured window, from the start of the warm-up."""
        return self.window_begin_ns + round(self.scenario.arrivals.seconds * 1e9)

    def begin_monotonic_ns(self) -> int:
        """`time.monotonic_ns()` of this machine at which the warm-up begins."""
        return time.monotonic_ns() + (self.begin_wall_ns - time.time_ns())

    def schedule_ns(self) -> NDArray[np.int64]:
        """Due times of all requests of the run, from the start of the warm-up; empty for a closed loop."""
        arrivals = self.scenario.arrivals
        if isinstance(arrivals, ClosedArrivals):
            return np.empty(0, np.int64)
        return due_times_ns(arrivals, warmup_s=self.scenario.warmup_s, seed=self.scenario.seed)

    def of_share(self, share: int, shares: int) -> Plan:
        """The plan of one of several processes."""
        return replace(self, share=share, shares=shares)

    def to_wire(self) -> dict[str, Any]:
        """Plain values for Locust's messages."""
        return {
            "scenario": self.scenario.model_dump_json(context=WITH_SECRETS),
            "payload": self.payload.to_wire(),
            "begin_wall_ns": self.begin_wall_ns,
            "share": self.share,
            "shares": self.shares,
            "others_cores": list(self.others_cores),
        }

    @classmethod
    def from_wire(cls, message: Mapping[str, Any]) -> Self:
        """Parse the output of `to_wire`."""
        return cls(
            scenario=Scenario.model_validate_json(message["scenario"]),
            payload=Payload.from_wire(message["payload"]),
            begin_wall_ns=message["begin_wall_ns"],
            share=message["share"],
            shares=message["shares"],
            others_cores=tuple(message["others_cores"]),
        )


def due_times_ns(arrivals: OpenArrivals, *, warmup_s: float, seed: int) -> NDArray[np.int64]:
    """Draw the due times of a run.

    Args:
        arrivals: The rate and the arrival process.
        warmup_s: Seconds before the measured window, at the window's first rate.
        seed: Seed of the process.

    Returns:
        int64, shape (n,), ascending; nanoseconds from the start of the warm-up. The window begins at `warmup_s`.
    """
    points = [(0.0, arrivals.warmup_rps), *((warmup_s + t, rate) for t, rate in arrivals.profile)]
    expected = [(b_s - a_s) * (a_rps + b_rps) / 2 for (a_s, a_rps), (b_s, b_rps) in pairwise(points)]
    moments = _unit_process(arrivals.process, sum(expected), np.random.default_rng(seed))
    times_s = np.empty_like(moments)
    first, before = 0, 0.0
    for (begin, end), requests in zip(pairwise(points), expected, strict=True):
        last = int(np.searchsorted(moments, before + requests))
        times_s[first:last] = _time_of(moments[first:last] - before, begin, end)
        first, before = last, before + requests
    due_ns = np.rint(times_s * 1e9).astype(np.int64)
    return due_ns[due_ns < round(warmup_s * 1e9) + round(arrivals.seconds * 1e9)]


def _time_of(requests: NDArray[np.float64], begin: RatePoint, end: RatePoint) -> NDArray[np.float64]:
    """Time at which so many requests are expected since `begin`: root of a linear rate's integral."""
    (begin_s, begin_rps), (end_s, end_rps) = begin, end
    if begin_rps == end_rps:
        return begin_s + requests / begin_rps if begin_rps else requests
    slope = (end_rps - begin_rps) / (end_s - begin_s) if end_s > begin_s else 0.0
    divisor = begin_rps + np.sqrt(np.maximum(begin_rps**2 + 2 * slope * requests, 0))
    return begin_s + 2 * np.divide(requests, divisor, out=np.zeros_like(requests), where=divisor > 0)


def _unit_process(process: Process, length: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Event times of a process of rate 1 in [0, length)."""
    if process == "constant":
        return np.arange(math.ceil(length), dtype=np.float64)
    moments = np.empty(0)
    last = 0.0
    while last < length:
        more = last + np.cumsum(generator.exponential(size=max(1024, int((length - last) * 1.05))))
        moments, last = np.concatenate([moments, more]), float(more[-1])
    return moments[moments < length]
