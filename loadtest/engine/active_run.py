"""Master: the state of the active run in the coordinator."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

import gevent
from gevent.event import Event

from loadtest.engine.metrics_page import Counts
from loadtest.engine.progress import Progress
from loadtest.engine.request import Prepared, RunRequest
from loadtest.engine.server_metrics import ServerWatch
from loadtest.result.build import CompletedRun, WorkerRecord, build_result
from loadtest.result.interval_statistics import NOT_SENT, IntervalStatistics
from loadtest.result.run_result import Result
from loadtest.scenario.plan import Plan

__all__ = ["ActiveRun"]


@dataclass(slots=True)
class ActiveRun:
    """The state of the active run."""

    request: RunRequest
    prepared: Prepared
    plan: Plan
    watch: ServerWatch
    started: datetime
    workers: dict[str, WorkerRecord]
    greenlet: gevent.Greenlet | None = None
    recent: dict[int, IntervalStatistics] = field(default_factory=dict)
    errors: int = 0
    begun_s: float = 0.0
    failure: str = ""
    done: Event = field(default_factory=Event)
    failed: Event = field(default_factory=Event)

    def take(self, name: str, progress: Progress) -> None:
        """Store a process's report; reports of processes outside this run are ignored."""
        worker = self.workers.get(name)
        if worker is None:
            return
        worker.book.add(progress.slices)
        worker.cpu.append((self.second, progress.cpu))
        worker.finished = progress.finished
        self._note(progress.slices)
        if progress.failed and not self.failure:
            self.failure = f"generator {name} failed: {progress.failed}"
            self.failed.set()
        if self.over or self.failure:
            self.done.set()

    def progress(self) -> dict[str, float]:
        """Elapsed time, and the statistics of the newest complete second, for progress displays."""
        seconds = [second for second in self.recent if second < self.second - 1]
        newest = self.recent[max(seconds)] if seconds else IntervalStatistics(second=0)
        scenario = self.plan.scenario
        return {
            "second": self.second,
            "warmup_s": scenario.warmup_s,
            "window_s": scenario.arrivals.seconds,
            "offered_rps": newest.due,
            "p50_ms": newest.latency.percentile_ns(50) / 1e6,
            "p99_ms": newest.latency.percentile_ns(99) / 1e6,
            "lag_p99_ms": newest.lag.percentile_ns(99) / 1e6,
            "errors": self.errors,
        }

    def mark_lost(self, alive: Collection[str]) -> None:
        """Mark workers that disconnected before they had finished."""
        for name, worker in self.workers.items():
            worker.lost = worker.lost or (not worker.finished and name not in alive)

    def result(self, *, ended_s: float | None) -> Result:
        """Read the server's metrics and build the result.

        Args:
            ended_s: Second of the window in which the run was cut short; None if it was not.
        """
        window_s = self.plan.scenario.arrivals.seconds if ended_s is None else max(ended_s, 1e-3)
        server = self.watch.end(window_s=window_s, counts=self.counts(whole=ended_s is None))
        completed = CompletedRun(
            name=self.request.name,
            command=self.request.command,
            plan=self.plan,
            target=self.prepared.target,
            started=self.started,
            workers=self.workers,
            ended_s=ended_s,
        )
        return build_result(completed, server=server, notes=self.watch.notes, metrics_doubt=self.watch.doubt)

    def counts(self, *, whole: bool) -> Counts:
        """Requests sent and answered since the first reading of the server's counters.

        Args:
            whole: Whether the run was complete.
        """
        parts = [part for worker in self.workers.values() for part in worker.book.slices()]
        window = [part for part in parts if part.second >= 0]
        due_before = min(
            self.plan.scenario.generator.max_in_flight, sum(part.due for part in parts if -2 <= part.second < 0)
        )
        all_reported = whole and not any(worker.lost for worker in self.workers.values())
        return Counts(
            answered=sum(part.answered for part in window),
            sent=sum(part.due - part.errors.get(NOT_SENT, 0) for part in window) if all_reported else None,
            edge=due_before + sum(part.due for part in window if part.second <= self.begun_s),
        )

    def _note(self, parts: tuple[IntervalStatistics, ...]) -> None:
        """Update the data of the progress line: the last seconds, and the errors of the window."""
        for part in parts:
            known = self.recent.get(part.second)
            self.recent[part.second] = part if known is None else IntervalStatistics.merged([known, part])
            self.errors += sum(part.errors.values()) if part.second >= 0 else 0
        for second in [second for second in self.recent if second < self.second - 10]:
            del self.recent[second]

    @property
    def second(self) -> float:
        """Seconds from the start of the measured window."""
        return (time.time_ns() - self.plan.begin_wall_ns - self.plan.window_begin_ns) / 1e9

    @property
    def over(self) -> bool:
        """Whether no more reports are expected."""
        return all(worker.finished or worker.lost for worker in self.workers.values())
