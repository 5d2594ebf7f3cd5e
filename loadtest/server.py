"""The server's side of the same window: Triton's counters before and after, and what its processes use meanwhile.

watch = ServerWatch(metrics_url, model="mnist", port=8001)
watch.prepare()
watch.begin()
watch.sample(second=4.0)        # each second
figures = watch.end(window_s=30.0)
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from loadtest.figures import ServerFigures, UsageSample

__all__ = ["SHARED_CORES", "ServerWatch"]

SHARED_CORES = (
    "server and generator share the cores of this machine, so the figures are those of the pair; bind the server to "
    "some of them (slipway serve --cpus 1), and the generator keeps to the others"
)
"""A note for runs against a server on this machine that is bound to no cores."""

_REQUEST_TIMES = {
    "queue_us": "nv_inference_queue_duration_us",
    "compute_input_us": "nv_inference_compute_input_duration_us",
    "compute_infer_us": "nv_inference_compute_infer_duration_us",
    "compute_output_us": "nv_inference_compute_output_duration_us",
    "request_us": "nv_inference_request_duration_us",
}
_SUCCESS, _FAILURE = "nv_inference_request_success", "nv_inference_request_failure"
_INFERENCES, _EXECUTIONS = "nv_inference_count", "nv_inference_exec_count"
_GPU_GAUGES = {"nv_gpu_utilization": "utilization", "nv_gpu_memory_used_bytes": "memory_used_bytes"}


@dataclass(frozen=True, slots=True)
class _Scrape:
    """Counters of one model summed over its versions; failures by reason; gauges by GPU."""

    counters: Mapping[str, float]
    failures: Mapping[str, float]
    gpus: Mapping[str, Mapping[str, float]]


@dataclass(slots=True)
class ServerWatch:
    """Of one run. Whatever cannot be read is said in `notes` and leaves the figures out; it never ends the run.

    Attributes:
        url: Triton's metrics; None: do not ask.
        model: The model's name.
        port: Where the server listens, to find its processes when they are on this machine; None: do not look.
    """

    url: str | None
    model: str
    port: int | None
    notes: list[str] = field(default_factory=list)
    _client: httpx.Client | None = None
    _before: str | None = None
    _processes: list[psutil.Process] = field(default_factory=list)
    _cpu_s: float = 0.0
    _at_s: float = 0.0
    _usage: list[UsageSample] = field(default_factory=list)

    def prepare(self) -> None:
        """Open the client, and look for the server on this machine. Takes some ten milliseconds, so before the load."""
        self._client = httpx.Client(timeout=2.0, trust_env=False)
        if self.port is None:
            return
        with suppress(psutil.Error, OSError):
            pids = {
                connection.pid
                for connection in psutil.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (self.port,) and connection.pid
            }
            for pid in pids:
                process = psutil.Process(pid)
                self._processes += [process, *process.children(recursive=True)]
        self._cpu_s, self._at_s = self._cpu_seconds(), time.monotonic()

    @property
    def bound_cores(self) -> frozenset[int]:
        """Cores that a server on this machine is bound to; empty where it may use all of them, or was not found."""
        cores: set[int] = set()
        with suppress(psutil.Error):
            for process in self._processes:
                cores.update(process.cpu_affinity())
        return frozenset(cores) if cores < set(range(psutil.cpu_count() or 1)) else frozenset()

    @property
    def here(self) -> bool:
        """Whether the server's processes were found on this machine."""
        return bool(self._processes)

    def begin(self) -> None:
        """Read the counters at the start of the window; they are understood at its end, when there is time."""
        self._before = self._fetch()

    def sample(self, *, second: float) -> None:
        """Note what the processes use; `second` counts from the start of the window."""
        if not self._processes:
            return
        cpu_s, at_s = self._cpu_seconds(), time.monotonic()
        cores = max(0.0, cpu_s - self._cpu_s) / max(1e-9, at_s - self._at_s)
        self._cpu_s, self._at_s = cpu_s, at_s
        memory = 0
        for process in self._processes:
            with suppress(psutil.Error):
                memory += process.memory_info().rss
        self._usage.append(UsageSample(second=second, cpu_cores=cores, memory_bytes=memory))

    def end(self, *, window_s: float) -> ServerFigures | None:
        """Read the counters once more, and say what lies in between."""
        before, after = self._read(self._before), self._read(self._fetch() if self._before is not None else None)
        if self._client is not None:
            self._client.close()
        if before is None or after is None or self.url is None:
            return None
        counters = after.counters
        delta = {name: counters.get(name, 0.0) - before.counters.get(name, 0.0) for name in counters}
        requests, executions = delta.get(_SUCCESS, 0.0), delta.get(_EXECUTIONS, 0.0)
        if requests < 0:
            self.notes.append("the server's counters went back during the run: it was started again")
            return None
        failures = {reason: int(n - before.failures.get(reason, 0)) for reason, n in after.failures.items()}
        return ServerFigures(
            metrics_url=self.url,
            requests=int(requests),
            failures={reason: n for reason, n in failures.items() if n},
            inferences=int(delta.get(_INFERENCES, 0.0)),
            executions=int(executions),
            mean_batch=delta.get(_INFERENCES, 0.0) / executions if executions else 0.0,
            **{field: delta.get(name, 0.0) / requests if requests else 0.0 for field, name in _REQUEST_TIMES.items()},
            in_flight=delta.get(_REQUEST_TIMES["request_us"], 0.0) / 1e6 / window_s,
            usage=tuple(self._usage),
            gpus={
                gpu: {name: (value + before.gpus.get(gpu, {}).get(name, value)) / 2 for name, value in now.items()}
                for gpu, now in after.gpus.items()
            },
        )

    def _cpu_seconds(self) -> float:
        total = 0.0
        for process in self._processes:
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def _fetch(self) -> str | None:
        if self.url is None or self._client is None:
            return None
        try:
            return self._client.get(self.url).raise_for_status().text
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            self._miss(str(exc) or type(exc).__name__)
            return None

    def _read(self, text: str | None) -> _Scrape | None:
        if text is None:
            return None
        try:
            scrape = _parse(text, self.model)
        except ValueError as exc:
            self._miss(str(exc))
            return None
        if _SUCCESS not in scrape.counters:
            self._miss(f"they tell nothing of model {self.model!r}")
            return None
        return scrape

    def _miss(self, why: str) -> None:
        note = f"the server's metrics were not read at {self.url}: {why}"
        if note not in self.notes:
            self.notes.append(note)


def _parse(text: str, model: str) -> _Scrape:
    counters: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    gpus: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removesuffix("_total")
            if sample.labels.get("model") == model:
                if name == _FAILURE:
                    failures[sample.labels.get("reason", "")] += sample.value
                else:
                    counters[name] += sample.value
            elif name in _GPU_GAUGES:
                gpus.setdefault(sample.labels.get("gpu_uuid", ""), {})[_GPU_GAUGES[name]] = sample.value
    return _Scrape(counters, failures, gpus)
