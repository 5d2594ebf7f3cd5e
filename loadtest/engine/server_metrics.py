"""Master: the server's side of the window: Triton's counters before and after, what its processes use meanwhile.

watch = ServerWatch(metrics_url, model="mnist", version="3", port=8001)
watch.prepare(ask)
watch.begin()
watch.sample(second=4.0)        # each second
metrics = watch.end(window_s=30.0, counts=counts)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import psutil

from loadtest.engine.metrics_page import SUCCESS, Counts, MetricsPage, MetricsUnreadable, Scrape, disagreement, whose
from loadtest.engine.target import metrics_url, proxy_between, send_blanks
from loadtest.result.metrics import ServerMetrics, UsageSample
from loadtest.scenario.schema import TargetSettings
from slipway.client.wire import parse_address
from slipway.errors import SlipwayError
from slipway.verdict import TargetFacts

__all__ = ["ServerWatch", "watch_server"]

_SHARED_CORES = (
    "server and generator share this machine's cores, so each slows the other down; bind the server to some of them "
    "(slipway serve --cpus 1), and the generator uses the others"
)
"""A note for runs against a local server without CPU affinity."""

_REQUEST_TIMES = {
    "queue_us": "nv_inference_queue_duration_us",
    "compute_input_us": "nv_inference_compute_input_duration_us",
    "compute_infer_us": "nv_inference_compute_infer_duration_us",
    "compute_output_us": "nv_inference_compute_output_duration_us",
    "request_us": "nv_inference_request_duration_us",
}
_INFERENCES, _EXECUTIONS = "nv_inference_count", "nv_inference_exec_count"
_TRITON = "tritonserver"


@dataclass(slots=True)
class ServerWatch:
    """Server metrics of one run. A failure to read them is added to `notes` and never ends the run.

    Attributes:
        url: URL of Triton's metrics; None to skip them.
        model: Model name.
        version: Model version, as reported by the target.
        port: Port of a local server, to find its processes; None to skip that.
        notes: Remarks for the report.
        doubt: Why the metrics were discarded: they are not the target's, or include other clients.
    """

    url: str | None
    model: str
    version: str
    port: int | None
    notes: list[str] = field(default_factory=list)
    doubt: str = ""
    _page: MetricsPage | None = None
    _before: str | None = None
    _processes: list[psutil.Process] = field(default_factory=list)
    _cpu_s: float = 0.0
    _at_s: float = 0.0
    _usage: list[UsageSample] = field(default_factory=list)

    def prepare(self, ask: Callable[[int], None]) -> None:
        """Check that the metrics are the target's, and find a local server's processes. Slow, so before the load.

        Args:
            ask: Sends a number of requests to the target, and waits for the responses.
        """
        if self.url is not None:
            self._page = MetricsPage(self.url, model=self.model, version=self.version)
            self._examine(self._page, ask)
        if self.port is not None:
            with suppress(psutil.Error, OSError):
                self._processes = _server_processes(self.port)
        self._cpu_s, self._at_s = self._cpu_seconds(), time.monotonic()

    def _examine(self, page: MetricsPage, ask: Callable[[int], None]) -> None:
        try:
            doubt = whose(page.scrape, ask)
        except MetricsUnreadable as exc:
            if exc.answered:
                doubt = f"{exc}: they belong to another server"
            else:
                self._miss(str(exc))
                self._page = None
                return
        except SlipwayError as exc:
            doubt = f"the target did not answer while they were checked: {exc}"
        if doubt:
            self._leave_out(doubt)

    def _leave_out(self, doubt: str) -> None:
        """Discard metrics that may belong to another server."""
        self.doubt = f"the metrics at {self.url} are discarded: {doubt}; set the target's own with --metrics-url"
        self.notes.append(self.doubt)
        self._page = None

    @property
    def bound_cores(self) -> frozenset[int]:
        """CPU affinity of a local server; empty if it may use all cores, or was not found."""
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
        """Fetch the counters at the start of the window; they are parsed after the run."""
        self._before = self._fetch()

    def sample(self, *, second: float) -> None:
        """Record the processes' CPU use; `second` counts from the start of the window."""
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

    def end(self, *, window_s: float, counts: Counts) -> ServerMetrics | None:
        """Read the counters again, and return the difference, if it matches what this run sent."""
        after = self._read(self._fetch() if self._before is not None else None)
        first_scrape = self._read(self._before)
        if first_scrape is None or after is None:
            return None
        moved = after.success - first_scrape.success
        if moved < 0:
            self._leave_out("they decreased during the run: the server was restarted")
            return None
        if doubt := disagreement(moved, counts):
            self._leave_out(doubt)
            return None
        return self._metrics(first_scrape, after, window_s)

    def _metrics(self, before: Scrape, after: Scrape, window_s: float) -> ServerMetrics:
        delta = {name: value - before.counters.get(name, 0.0) for name, value in after.counters.items()}
        requests, executions = delta[SUCCESS], delta.get(_EXECUTIONS, 0.0)
        failures = {reason: int(n - before.failures.get(reason, 0)) for reason, n in after.failures.items()}
        return ServerMetrics(
            metrics_url=self.url or "",
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
        if self._page is None:
            return None
        try:
            return self._page.fetch()
        except MetricsUnreadable as exc:
            self._miss(str(exc))
            return None

    def _read(self, text: str | None) -> Scrape | None:
        if text is None or self._page is None:
            return None
        try:
            return self._page.read(text)
        except MetricsUnreadable as exc:
            self._miss(str(exc))
            return None

    def _miss(self, why: str) -> None:
        note = f"the server's metrics were not read at {self.url}: {why}"
        if note not in self.notes:
            self.notes.append(note)


def watch_server(target: TargetSettings, facts: TargetFacts) -> ServerWatch:
    """A prepared `ServerWatch` of the target, with notes on proxies and shared cores."""
    address = parse_address(target.url)
    watch = ServerWatch(
        metrics_url(target),
        model=facts.model,
        version=facts.version,
        port=urlsplit(target.url).port if address.local else None,
    )
    watch.prepare(partial(send_blanks, target))
    if proxy := proxy_between(target):
        watch.notes.append(f"every request went through the proxy {proxy}, which is set in the environment")
    if watch.here and not watch.bound_cores:
        watch.notes.append(_SHARED_CORES)
    return watch


def _server_processes(port: int) -> list[psutil.Process]:
    """The tritonserver that listens on a local port, and its child processes; not a port forwarder."""
    pids = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid
    }
    processes = []
    for pid in pids:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        if any(member.name() == _TRITON for member in family):
            processes += family
    return processes
