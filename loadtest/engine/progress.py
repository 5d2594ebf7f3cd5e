"""Worker to master: what one process of the generator has to tell, once a second, as a message of Locust's.

progress = Progress.from_wire(message)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loadtest.errors import reason_of
from loadtest.result.interval_statistics import IntervalStatistics

__all__ = ["Progress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What one process has to tell since it last did.

    Attributes:
        slices: Of the requests that are over since.
        cpu: Share of one core that the process used since, gRPC's threads included: Python's lock leaves all one core.
        finished: Its schedule is through, and every request is over.
        failed: Why it cannot go on; empty while it can.
    """

    slices: tuple[IntervalStatistics, ...]
    cpu: float
    finished: bool
    failed: str = ""

    def to_wire(self) -> dict[str, Any]:
        """Numbers, text and bytes, for Locust's messages."""
        slices = [part.to_wire() for part in self.slices]
        return {"slices": slices, "cpu": self.cpu, "finished": self.finished, "failed": self.failed}

    @classmethod
    def from_wire(cls, message: dict[str, Any]) -> Progress:
        """Read what `to_wire` wrote."""
        slices = tuple(IntervalStatistics.from_wire(part) for part in message["slices"])
        return cls(slices=slices, cpu=message["cpu"], finished=message["finished"], failed=message["failed"])

    @classmethod
    def of_failure(cls, error: BaseException) -> Progress:
        """A process that could not begin its share."""
        return cls(slices=(), cpu=0.0, finished=False, failed=reason_of(error))
