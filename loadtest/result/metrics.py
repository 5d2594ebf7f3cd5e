"""Command and master: the metrics of a run: of the window, of each second, of the generator and of the server.

Values are in milliseconds, requests per second and shares; only the histograms keep nanoseconds.
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
        """All percentiles; 0 without values."""
        names = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99}
        values = histogram.percentiles_ns(list(names.values()))
        named = {name: value / 1e6 for name, value in zip(names, values, strict=True)}
        return cls(mean=histogram.mean_ns / 1e6, max=histogram.max_ns / 1e6, **named)


class WindowMetrics(Value):
    """Metrics of the measured window.

    Attributes:
        window_s: Its length.
        due: Requests that were due in it.
        offered_rps: `due` per second.
        answered: Requests that were answered correctly and in time.
        answered_rps: `answered` per second.
        images_per_s: Images per second in answered requests.
        errors: Failed requests, by kind.
        error_rate: Failed requests as a share of `due`.
        latency_ms: Due to answered, of answered requests.
        service_ms: Sent to answered, of answered requests: the time of server and network.
        lag_ms: Due to dispatched, of all requests: the generator's own delay.
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
        """Encode a slice."""
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
            ReportUnreadable: The text is not a histogram of a load test.
        """
        try:
            return LatencyHistogram.decode(getattr(self, name))
        except Exception as exc:
            raise ReportUnreadable(
                f"not a report of a load test: second {self.second} has no histogram {name}"
            ) from exc


class WorkerMetrics(Value):
    """One process of the generator.

    Attributes:
        name: Locust's worker id; "local" for a single process.
        due: Requests of its share that were due in the window.
        reported: Those with a reported outcome.
        lost: It disconnected before the end; its unreported requests are unknown.
        cpu_mean: Share of one core over the window.
        cpu_max: Highest value of a second.
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
        open_loop: Requests were sent when due; otherwise each one after the previous response.
        workers: Metrics of its processes.
        most_in_flight: Limit of requests in flight.
    """

    open_loop: bool
    workers: tuple[WorkerMetrics, ...]
    most_in_flight: int


class UsageSample(Value):
    """CPU and memory use of the server's processes in one second.

    Attributes:
        second: From the start of the measured window; below 0 in the warm-up.
        cpu_cores: Busy cores, sum over its processes.
        memory_bytes: Resident memory, sum over its processes.
    """

    second: float
    cpu_cores: float
    memory_bytes: int


class ServerMetrics(Value):
    """Triton's own counters over the measured window, and its resource use.

    Attributes:
        metrics_url: URL of the metrics page.
        requests: Answered requests.
        failures: Failed requests, by Triton's reason.
        inferences: Number of images.
        executions: Number of batches.
        mean_batch: Mean images per batch.
        queue_us: Mean time of a request in the queue; the following are means per request too.
        compute_input_us: Copying the inputs.
        compute_infer_us: Running the model.
        compute_output_us: Copying the outputs.
        request_us: Total duration.
        in_flight: Mean number of requests in the server: sum of durations per second (Little's law).
        usage: Resource use of a local server per second; empty for a remote one.
        gpus: By UUID: mean utilisation (0 to 1) and memory in bytes, if Triton reports them.
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
