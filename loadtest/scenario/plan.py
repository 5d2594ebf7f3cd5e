"""What one process of the generator is to do: the scenario, its images, its share, and when time begins.

The coordinator makes one and sends it to each worker; from it every process computes the same schedule
and takes its part.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from loadtest.scenario.arrivals import ClosedArrivals
from loadtest.scenario.due_times import due_times_ns
from loadtest.scenario.payload import Payload
from loadtest.scenario.schema import WITH_SECRETS, Scenario

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One process's part of one run.

    Attributes:
        scenario: The whole.
        payload: What is sent.
        begin_wall_ns: `time.time_ns()` at which the warm-up begins, on every process's clock.
        share: Number of the process, from 0.
        shares: How many there are; request i belongs to share i % shares.
        others_cores: Cores of this machine that the server is bound to, for the generator to keep off; empty where it
            is bound to none, or runs elsewhere.
    """

    scenario: Scenario
    payload: Payload
    begin_wall_ns: int
    share: int = 0
    shares: int = 1
    others_cores: tuple[int, ...] = ()

    @property
    def open_loop(self) -> bool:
        """Whether requests come when they are due."""
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
        """When every request of the whole run is due, from the start of the warm-up; empty for a closed loop."""
        arrivals = self.scenario.arrivals
        if isinstance(arrivals, ClosedArrivals):
            return np.empty(0, np.int64)
        return due_times_ns(arrivals, warmup_s=self.scenario.warmup_s, seed=self.scenario.seed)

    def of_share(self, share: int, shares: int) -> Plan:
        """The same run for one of several processes."""
        return replace(self, share=share, shares=shares)

    def to_wire(self) -> dict[str, Any]:
        """Numbers, text and bytes, for Locust's messages."""
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
        """Read what `to_wire` wrote."""
        return cls(
            scenario=Scenario.model_validate_json(message["scenario"]),
            payload=Payload.from_wire(message["payload"]),
            begin_wall_ns=message["begin_wall_ns"],
            share=message["share"],
            shares=message["shares"],
            others_cores=tuple(message["others_cores"]),
        )
