"""Master: from what the processes measured to one result."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from loadtest.result.histogram import LatencyHistogram
from loadtest.result.interval_statistics import IntervalBook, IntervalStatistics
from loadtest.result.metrics import (
    GeneratorMetrics,
    Percentiles,
    SecondRow,
    ServerMetrics,
    WindowMetrics,
    WorkerMetrics,
)
from loadtest.result.run_result import Result
from loadtest.result.verdict import judge
from loadtest.scenario.plan import Plan
from slipway.verdict import Environment, TargetFacts

__all__ = ["CompletedRun", "WorkerRecord", "build_result"]

_PACKAGES = ("locust", "gevent", "grpcio", "geventhttpclient", "numpy", "hdrhistogram")


@dataclass(slots=True)
class WorkerRecord:
    """The coordinator's record of one process.

    Attributes:
        share: Number of its share in the plan.
        book: Its interval statistics.
        cpu: Share of its core, by the second of the window in which it was reported.
        finished: It reported the end of its share.
        lost: It disconnected before that.
    """

    share: int
    book: IntervalBook = field(default_factory=IntervalBook)
    cpu: list[tuple[float, float]] = field(default_factory=list)
    finished: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedRun:
    """A finished run: its request and its reports.

    Attributes:
        name: Name of the scenario.
        command: Command that repeats it.
        plan: Plan of the whole run.
        target: The target server.
        started: UTC.
        workers: Records by Locust's worker id.
        ended_s: Second of the window in which it was cut short; None if it was not.
    """

    name: str
    command: str
    plan: Plan
    target: TargetFacts
    started: datetime
    workers: Mapping[str, WorkerRecord]
    ended_s: float | None


def build_result(
    run: CompletedRun, *, server: ServerMetrics | None, notes: Sequence[str], metrics_doubt: str = ""
) -> Result:
    """Merge the statistics, compute the metrics, and determine the verdict."""
    plan, scenario = run.plan, run.plan.scenario
    book = IntervalBook()
    for worker in run.workers.values():
        book.add(worker.book.slices())
    parts = book.slices()
    window_s = scenario.arrivals.seconds
    if run.ended_s is not None:
        window_s = min(window_s, max(0.0, run.ended_s))
    window = [part for part in parts if part.second >= 0]
    generator = GeneratorMetrics(
        open_loop=plan.open_loop,
        workers=_workers(run, window_s),
        most_in_flight=scenario.generator.max_in_flight,
    )
    metrics = _metrics(window, window_s=window_s)
    partial = run.ended_s is not None
    return Result(
        name=run.name,
        scenario=scenario,
        command=run.command,
        started=run.started,
        partial=partial,
        target=run.target,
        verdict=judge(scenario.slo, metrics, generator, limits=scenario.generator, partial=partial),
        figures=metrics,
        generator=generator,
        server=server,
        environment=_environment(),
        notes=tuple(notes),
        metrics_doubt=metrics_doubt,
        seconds=tuple(SecondRow.of(part, measured=part.second >= 0) for part in parts),
    )


def _metrics(window: Sequence[IntervalStatistics], *, window_s: float) -> WindowMetrics:
    errors: Counter[str] = Counter()
    for part in window:
        errors.update(part.errors)
    due, answered = sum(part.due for part in window), sum(part.answered for part in window)
    per_s = 1 / window_s if window_s else 0.0
    return WindowMetrics(
        window_s=window_s,
        due=due,
        offered_rps=due * per_s,
        answered=answered,
        answered_rps=answered * per_s,
        images_per_s=sum(part.images for part in window) * per_s,
        errors=dict(errors.most_common()),
        error_rate=errors.total() / due if due else 0.0,
        latency_ms=Percentiles.of(LatencyHistogram.merged(part.latency for part in window)),
        service_ms=Percentiles.of(LatencyHistogram.merged(part.service for part in window)),
        lag_ms=Percentiles.of(LatencyHistogram.merged(part.lag for part in window)),
    )


def _workers(run: CompletedRun, window_s: float) -> tuple[WorkerMetrics, ...]:
    plan = run.plan
    schedule = plan.schedule_ns() - plan.window_begin_ns
    inside = (schedule >= 0) & (schedule < window_s * 1e9)
    metrics = []
    for name, worker in run.workers.items():
        reported = sum(part.due for part in worker.book.slices() if part.second >= 0)
        due = int(np.count_nonzero(inside[worker.share :: len(run.workers)])) if plan.open_loop else reported
        cpu = [share for second, share in worker.cpu if 0 < second <= window_s + 1] or [0.0]
        metrics.append(
            WorkerMetrics(
                name=name,
                due=due,
                reported=reported,
                lost=worker.lost,
                cpu_mean=sum(cpu) / len(cpu),
                cpu_max=max(cpu),
            )
        )
    return tuple(metrics)


def _environment() -> Environment:
    names = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return Environment(
        machine=names[1] if names else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        packages={name: version(name) for name in _PACKAGES},
    )
