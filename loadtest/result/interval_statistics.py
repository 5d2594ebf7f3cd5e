"""Workers and master: what became of the requests, second by second: the shape in which every process reports.

    book = IntervalBook()
    book.add(slices_of_a_worker)        # any order, any number of times
    book.slices()                       # merged exactly, ascending

A request belongs to the second in which it was due, whenever it was answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from loadtest.result.histogram import LatencyHistogram

__all__ = ["NOT_SENT", "STOPPED", "IntervalBook", "IntervalStatistics"]

NOT_SENT = "not sent: no room in flight"
"""Kind of error of a request that found no free place in flight within its time-out."""

STOPPED = "stopped: Locust stopped its user"
"""Kind of error of a request that was in flight when Locust stopped its user."""

_HISTOGRAMS = ("latency", "service", "lag")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalStatistics:
    """The requests that were due within one second.

    Attributes:
        second: Whole seconds from the start of the measured window; below 0 in the warm-up.
        due: Number of due requests with a known outcome.
        answered: Number of them that were answered correctly and in time.
        images: Images in the answered requests.
        errors: Number of failed requests, by kind.
        latency: Due to answered, of answered requests.
        service: Sent to answered, of answered requests: the time of server and network.
        lag: Due to dispatched, of all requests: the generator's own delay.
    """

    second: int
    due: int = 0
    answered: int = 0
    images: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    latency: LatencyHistogram = field(default_factory=LatencyHistogram.empty)
    service: LatencyHistogram = field(default_factory=LatencyHistogram.empty)
    lag: LatencyHistogram = field(default_factory=LatencyHistogram.empty)

    @classmethod
    def merged(cls, slices: Iterable[IntervalStatistics]) -> Self:
        """Merge the same second of several processes or reports, exactly."""
        parts = list(slices)
        errors: Counter[str] = Counter()
        for part in parts:
            errors.update(part.errors)
        return cls(
            second=parts[0].second,
            due=sum(part.due for part in parts),
            answered=sum(part.answered for part in parts),
            images=sum(part.images for part in parts),
            errors=dict(errors),
            latency=LatencyHistogram.merged(part.latency for part in parts),
            service=LatencyHistogram.merged(part.service for part in parts),
            lag=LatencyHistogram.merged(part.lag for part in parts),
        )

    def to_wire(self) -> dict[str, Any]:
        """Plain values for Locust's messages."""
        histograms = {
            name: tuple(part.astype("<i8").tobytes() for part in (histogram.buckets, histogram.counts))
            for name, histogram in ((name, getattr(self, name)) for name in _HISTOGRAMS)
        }
        return {
            "second": self.second,
            "due": self.due,
            "answered": self.answered,
            "images": self.images,
            "errors": dict(self.errors),
            **histograms,
        }

    @classmethod
    def from_wire(cls, message: Mapping[str, Any]) -> Self:
        """Parse the output of `to_wire`."""
        histograms = {
            name: LatencyHistogram(*(np.frombuffer(part, "<i8") for part in message[name])) for name in _HISTOGRAMS
        }
        return cls(**{**message, **histograms})


class IntervalBook:
    """Collects slices; those of one second are merged when they are read."""

    def __init__(self) -> None:
        self._parts: dict[int, list[IntervalStatistics]] = {}

    def add(self, slices: Iterable[IntervalStatistics]) -> None:
        """Add slices, in any order."""
        for part in slices:
            waiting = self._parts.setdefault(part.second, [])
            waiting.append(part)
            if len(waiting) > 16:
                self._parts[part.second] = [IntervalStatistics.merged(waiting)]

    def slices(self) -> tuple[IntervalStatistics, ...]:
        """One slice per known second, ascending."""
        return tuple(IntervalStatistics.merged(self._parts[second]) for second in sorted(self._parts))
