"""Worker to master: the progress of one process, sent once a second as a Locust message.

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
    """Results of one process since its last report.

    Attributes:
        slices: Statistics of the requests that completed since.
        cpu: Share of one core that the process used since, including gRPC's threads: the GIL leaves them one core.
        finished: Its schedule is complete, and every request is done.
        failed: Why it failed; empty otherwise.
    """

    slices: tuple[IntervalStatistics, ...]
    cpu: float
    finished: bool
    failed: str = ""

    def to_wire(self) -> dict[str, Any]:
        """Plain values for Locust's messages."""
        slices = [part.to_wire() for part in self.slices]
        return {"slices": slices, "cpu": self.cpu, "finished": self.finished, "failed": self.failed}

    @classmethod
    def from_wire(cls, message: dict[str, Any]) -> Progress:
        """Parse the output of `to_wire`."""
        slices = tuple(IntervalStatistics.from_wire(part) for part in message["slices"])
        return cls(slices=slices, cpu=message["cpu"], finished=message["finished"], failed=message["failed"])

    @classmethod
    def of_failure(cls, error: BaseException) -> Progress:
        """The report of a process that failed to begin its share."""
        return cls(slices=(), cpu=0.0, finished=False, failed=reason_of(error))
