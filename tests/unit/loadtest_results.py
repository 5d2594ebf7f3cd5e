"""Results of load tests that never ran: small, seeded, and judged by the real judge."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from loadtest.result.histogram import LatencyHistogram
from loadtest.result.interval_statistics import IntervalStatistics
from loadtest.result.metrics import (
    GeneratorMetrics,
    Percentiles,
    SecondRow,
    ServerMetrics,
    UsageSample,
    WindowMetrics,
    WorkerMetrics,
)
from loadtest.result.run_result import Result
from loadtest.result.verdict import judge
from loadtest.scenario.schema import Scenario, check_scenario
from slipway.verdict import Environment, TargetFacts

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


def scenario(**changes) -> Scenario:
    """200 requests/s for ten seconds, two seconds of warm-up; `changes` are sections of the file."""
    document = {
        "description": "200 requests/s of one image for ten seconds",
        "arrivals": {"kind": "poisson", "rate_rps": 200, "duration_s": 10},
        "warmup_s": 2,
        "slo": {"p50_ms": 20, "p99_ms": 50, "error_rate": 0.001},
    }
    return check_scenario(document | changes, where="a test")


def second(
    number: int, *, due: int = 200, latency_ms: float = 4.0, lag_ms: float = 0.05, errors: dict[str, int] | None = None
) -> SecondRow:
    """One second of log-normal latencies with the given medians; `errors` are of the `due`."""
    draw = np.random.default_rng(number + 1_000)
    answered = due - sum((errors or {}).values())
    service_ns = (latency_ms * 1e6 * draw.lognormal(sigma=0.35, size=answered)).astype(np.int64)
    lag_ns = (lag_ms * 1e6 * draw.lognormal(sigma=0.5, size=due)).astype(np.int64)
    part = IntervalStatistics(
        second=number,
        due=due,
        answered=answered,
        images=answered,
        errors=errors or {},
        latency=LatencyHistogram.of(service_ns + lag_ns[:answered]),
        service=LatencyHistogram.of(service_ns),
        lag=LatencyHistogram.of(lag_ns),
    )
    return SecondRow.of(part, measured=number >= 0)


def seconds(*, warmup_s: int = 2, window_s: int = 10, **each) -> tuple[SecondRow, ...]:
    """All of a run, every second alike but for chance; `each` goes to `second`."""
    return tuple(second(number, **each) for number in range(-warmup_s, window_s))


def figures(rows: tuple[SecondRow, ...], *, window_s: float) -> WindowMetrics:
    """The window of these seconds in numbers."""
    window = [row for row in rows if row.measured]
    due, answered = sum(row.due for row in window), sum(row.answered for row in window)
    errors: dict[str, int] = {}
    for row in window:
        for kind, count in row.errors.items():
            errors[kind] = errors.get(kind, 0) + count
    percentiles = {
        f"{name}_ms": Percentiles.of(LatencyHistogram.merged(row.histogram(name) for row in window))
        for name in ("latency", "service", "lag")
    }
    return WindowMetrics(
        window_s=window_s,
        due=due,
        offered_rps=due / window_s,
        answered=answered,
        answered_rps=answered / window_s,
        images_per_s=answered / window_s,
        errors=errors,
        error_rate=sum(errors.values()) / due if due else 0.0,
        **percentiles,
    )


def worker(name: str = "local", *, due: int = 2_000, **changes) -> WorkerMetrics:
    """A process of the generator that told everything of its share."""
    return WorkerMetrics(
        **{"name": name, "due": due, "reported": due, "lost": False, "cpu_mean": 0.31, "cpu_max": 0.47} | changes
    )


def generator(*workers: WorkerMetrics, open_loop: bool = True) -> GeneratorMetrics:
    """The load generator; of one process where none is given."""
    return GeneratorMetrics(open_loop=open_loop, workers=workers or (worker(),), most_in_flight=256)


def server(**changes) -> ServerMetrics:
    """Triton's counters of a calm run, and its usage second by second."""
    usage = tuple(
        UsageSample(second=number, cpu_cores=1.2 + 0.1 * (number % 3), memory_bytes=610_000_000 + 400_000 * number)
        for number in range(-2, 10)
    )
    calm = {
        "metrics_url": "http://localhost:8002/metrics",
        "requests": 2_000,
        "failures": {},
        "inferences": 2_000,
        "executions": 620,
        "mean_batch": 3.2,
        "queue_us": 900.0,
        "compute_input_us": 60.0,
        "compute_infer_us": 1_800.0,
        "compute_output_us": 40.0,
        "request_us": 2_900.0,
        "in_flight": 0.58,
        "usage": usage,
        "gpus": {},
    }
    return ServerMetrics(**calm | changes)


def result(**changes) -> Result:
    """A run that passes; `changes` are fields of Result.

    WindowMetrics follow from the seconds, and the verdict from scenario, figures and generator, unless they are given.
    """
    plan = changes.get("scenario", scenario())
    rows = changes.get("seconds", seconds())
    counted = changes.get("figures", figures(rows, window_s=plan.arrivals.seconds))
    processes = changes.get("generator", generator())
    partial = changes.get("partial", False)
    return Result(
        **{
            "name": "smoke",
            "scenario": plan,
            "command": "slipway loadtest smoke",
            "started": NOON,
            "partial": partial,
            "target": TargetFacts(
                url="grpc://localhost:8001", protocol="grpc", model="mnist", version="3", labels=10, max_batch_size=64
            ),
            "verdict": judge(plan.slo, counted, processes, limits=plan.generator, partial=partial),
            "figures": counted,
            "generator": processes,
            "server": server(),
            "environment": Environment(
                machine="a machine", cores=8, python="3.11.9", packages={"locust": "2.43.4", "grpcio": "1.76.0"}
            ),
            "notes": (),
            "seconds": rows,
        }
        | changes
    )
