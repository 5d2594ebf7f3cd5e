"""Command and master: the metrics of a run: of the window, of each second, of the generator and of the server.

Milliseconds, requests per second, shares: what people read. Nanoseconds stay in the histograms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from loadtest.errors import ReportUnreadable
from loadtest.result.histogram import LatencyHistogram
from loadtest.result.interval_statistics import IntervalStatistics
from slipway.verdict import Value

__all__ = [
    "GeneratorMetrics",
    "HistogramName",
    "Percentiles",
    "SecondRow",
    "ServerMetrics",
    "UsageSample",
    "WindowMetrics",
    "WorkerMetrics",
]

HistogramName = Literal["latency", "service", "lag"]


class Percentiles(Value):
    """Milliseconds."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    p99_9: float
    p99_99: float
    max: float

    @classmethod
    def of(cls, histogram: LatencyHistogram) -> Percentiles:
        """All of them; 0 where there is no value."""
        names = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99}
        values = histogram.percentiles_ns(list(names.values()))
        named = {name: value / 1e6 for name, value in zip(names, values, strict=True)}
        return cls(mean=histogram.mean_ns / 1e6, max=histogram.max_ns / 1e6, **named)


class WindowMetrics(Value):
    """The measured window in numbers.

    Attributes:
        window_s: Its length.
        due: Requests that were due in it.
        offered_rps: `due` per second.
        answered: Those that were answered rightly in time.
        answered_rps: `answered` per second.
        images_per_s: Images in the answered.
        errors: The others, by kind.
        error_rate: Their share of `due`.
        latency_ms: From due to answered, of the answered.
        service_ms: From sent to answered, of the answered: what server and network took.
        lag_ms: From due to dispatched, of all: what the generator itself was late.
    """

    window_s: float
    due: int
    offered_rps: float
    answered: int
    answered_rps: float
    images_per_s: float
    errors: Mapping[str, int]
    error_rate: float
    latency_ms: Percentiles
    service_ms: Percentiles
    lag_ms: Percentiles


class SecondRow(Value):
    """The requests that were due within one second; histograms in HdrHistogram's base64.

    Attributes:
        second: From the start of the measured window; below 0 in the warm-up.
        measured: Whether it lies in the measured window.
    """

    second: int
    measured: bool
    due: int
    answered: int
    images: int
    errors: Mapping[str, int]
    latency: str
    service: str
    lag: str

    @classmethod
    def of(cls, part: IntervalStatistics, *, measured: bool) -> SecondRow:
        """Write a slice down."""
        return cls(
            second=part.second,
            measured=measured,
            due=part.due,
            answered=part.answered,
            images=part.images,
            errors=part.errors,
            latency=part.latency.encode(),
            service=part.service.encode(),
            lag=part.lag.encode(),
        )

    def histogram(self, name: HistogramName) -> LatencyHistogram:
        """One of the three.

        Raises:
            ReportUnreadable: The text is no histogram; whoever wrote it was no load test.
        """
        try:
            return LatencyHistogram.decode(getattr(self, name))
        except Exception as exc:
            raise ReportUnreadable(f"no report of a load test: second {self.second} has no histogram {name}") from exc


class WorkerMetrics(Value):
    """One process of the generator.

    Attributes:
        name: Locust's id of it; "local" where there is only one.
        due: Requests of its share that were due in the window.
        reported: Those of them of which it told what became.
        lost: It fell silent before the end; what it had not reported is unknown.
        cpu_mean: Share of one core over the window.
        cpu_max: Its highest second.
    """

    name: str
    due: int
    reported: int
    lost: bool
    cpu_mean: float
    cpu_max: float


class GeneratorMetrics(Value):
    """The load generator.

    Attributes:
        open_loop: Requests came when they were due. Otherwise: when the one before was answered.
        workers: Its processes.
        most_in_flight: Bound on the requests under way.
    """

    open_loop: bool
    workers: tuple[WorkerMetrics, ...]
    most_in_flight: int


class UsageSample(Value):
    """What the server's processes used in one second.

    Attributes:
        second: From the start of the measured window; below 0 in the warm-up.
        cpu_cores: Cores busy, over all of its processes.
        memory_bytes: Resident, over all of them.
    """

    second: float
    cpu_cores: float
    memory_bytes: int


class ServerMetrics(Value):
    """Triton's own counters over the measured window, and what it used.

    Attributes:
        metrics_url: Where they were read.
        requests: Answered.
        failures: By Triton's reason.
        inferences: Images.
        executions: Batches.
        mean_batch: Images a batch.
        queue_us: Mean of a request, as the following.
        compute_input_us: Copying in.
        compute_infer_us: The model.
        compute_output_us: Copying out.
        request_us: All of it.
        in_flight: Mean number of requests inside the server: their durations summed, per second (Little's law).
        usage: Of a server on this machine, second by second; empty for others.
        gpus: By UUID: mean utilisation (0 to 1) and memory in bytes, where Triton tells.
    """

    metrics_url: str
    requests: int
    failures: Mapping[str, int]
    inferences: int
    executions: int
    mean_batch: float
    queue_us: float
    compute_input_us: float
    compute_infer_us: float
    compute_output_us: float
    request_us: float
    in_flight: float
    usage: tuple[UsageSample, ...]
    gpus: Mapping[str, Mapping[str, float]]
