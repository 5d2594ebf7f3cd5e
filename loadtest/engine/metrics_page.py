"""Master: Triton's metrics page: read within a bound of time and size, for one model; and whose metrics it has.

    page = MetricsPage("http://localhost:8002/metrics", model="mnist", version="3")
    page.scrape().counters["nv_inference_request_success"]
    doubt = whose(page.scrape, ask)                # before the load: do its counters count our requests?
    doubt = disagreement(counted, counts)          # after it: did they count exactly our requests?

A page on a port says nothing of the server that is reached through another. The usual case of a mix-up is a
port-forwarded server beside a local tritonserver: port 8002 then belongs to the local one, which may serve the same
model.
"""

from __future__ import annotations

import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from loadtest.errors import LoadTestError
from slipway.client import InvalidAddress
from slipway.client.wire import PageUnreadable, parse_address, read_page
from slipway.printable import printable

__all__ = [
    "FAILURE",
    "SUCCESS",
    "Counts",
    "MetricsPage",
    "MetricsUnreadable",
    "Scrape",
    "disagreement",
    "read_scrape",
    "whose",
]

SUCCESS, FAILURE = "nv_inference_request_success", "nv_inference_request_failure"

_TIMEOUT_S = 5.0
_GPU_GAUGES = {"nv_gpu_utilization": "utilization", "nv_gpu_memory_used_bytes": "memory_used_bytes"}
_OURS = ("nv_inference_", *_GPU_GAUGES)

_TRIES = 3
_STEP_S = 0.05
_FEW, _MANY = 4, 12
_SLACK = 50
_SHARE = 0.05


class MetricsUnreadable(LoadTestError):
    """The page cannot be fetched, or is not Triton's.

    Attributes:
        answered: Triton's metrics were read but do not contain the model: they may belong to another server.
    """

    def __init__(self, text: str, *, answered: bool = False) -> None:
        super().__init__(text)
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Scrape:
    """Counters of one model version; failures by reason; gauges by GPU."""

    counters: Mapping[str, float]
    failures: Mapping[str, float]
    gpus: Mapping[str, Mapping[str, float]]

    @property
    def success(self) -> int:
        """Requests answered since the server started."""
        return int(self.counters[SUCCESS])


class MetricsPage:
    """The metrics page, for one model version."""

    def __init__(self, url: str, *, model: str, version: str) -> None:
        self.url = url
        self._model, self._version = model, version

    def fetch(self) -> str:
        """The page as text; it is parsed after the run, since that takes time.

        Raises:
            MetricsUnreadable: It is not complete within the limits of time and size.
        """
        try:
            address = parse_address(self.url)
            if address.protocol != "http":
                raise MetricsUnreadable("expected http:// or https://")
            return read_page(address, timeout_s=_TIMEOUT_S)
        except (PageUnreadable, InvalidAddress) as exc:
            raise MetricsUnreadable(str(exc)) from exc

    def read(self, text: str) -> Scrape:
        """Parse the text of `fetch`.

        Raises:
            MetricsUnreadable: See `read_scrape`.
        """
        return read_scrape(text, model=self._model, version=self._version)

    def scrape(self) -> Scrape:
        """Fetch and parse."""
        return self.read(self.fetch())


def read_scrape(text: str, *, model: str, version: str) -> Scrape:
    """Find the counters of one model version on a page.

    Raises:
        MetricsUnreadable: The page holds no metrics, not Triton's, or none of this version.
    """
    counters: defaultdict[str, float] = defaultdict(float)
    failures: defaultdict[str, float] = defaultdict(float)
    gpus: dict[str, dict[str, float]] = {}
    ours = [line for line in text.splitlines() if line.startswith(_OURS)]
    if not ours:
        start = printable(text.strip().partition("\n")[0], limit=60)
        raise MetricsUnreadable(f"expected Triton's metrics (lines such as {SUCCESS}...), got {start!r}")
    for name, labels, value in _samples("\n".join(ours) + "\n"):
        if name in _GPU_GAUGES:
            gpus.setdefault(labels.get("gpu_uuid", ""), {})[_GPU_GAUGES[name]] = value
        elif (labels.get("model"), labels.get("version")) == (model, version):
            if name == FAILURE:
                failures[labels.get("reason", "")] += value
            else:
                counters[name] += value
    if SUCCESS not in counters:
        raise MetricsUnreadable(f"they do not contain model {model!r} version {version}", answered=True)
    return Scrape(counters, failures, gpus)


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if math.isfinite(sample.value):
                    yield sample.name.removesuffix("_total"), sample.labels, sample.value
    except (ValueError, LookupError, AttributeError, TypeError) as exc:  # raised by the parser on malformed lines
        raise MetricsUnreadable(f"expected Prometheus' text format: {printable(str(exc))}") from exc


def whose(scrape: Callable[[], Scrape], ask: Callable[[int], None], *, patience_s: float = 2.0) -> str:
    """Check that the counters stay constant while nothing is sent, and then increase by exactly what is sent.

    Args:
        scrape: Reads the page.
        ask: Sends a number of requests to the target and waits for the responses.
        patience_s: Time that counters may take to become constant, and to count what was sent.

    Returns:
        Why the metrics are not the target's, or include other clients; empty if they match.
    """
    doubt = ""
    for _ in range(_TRIES):
        count = random.randint(_FEW, _MANY)
        before = _at_rest(scrape, patience_s)
        if before is None:
            doubt = (
                "they count requests while this process sends none: they belong to another server, or other clients "
                "use the target too"
            )
            continue
        ask(count)
        moved = _moved(scrape, before, count, patience_s) - before
        if moved == count:
            return ""
        doubt = f"{count} requests were sent to the target, and they counted {moved}: they belong to another server"
        doubt += ", or the target has several replicas" if moved < count else ", or other clients use the target too"
    return doubt


def _at_rest(scrape: Callable[[], Scrape], patience_s: float) -> int | None:
    """The counter's value once it is constant; None if it keeps changing."""
    until_s = time.monotonic() + patience_s
    last = scrape().success
    while time.monotonic() < until_s:
        time.sleep(2 * _STEP_S)
        now = scrape().success
        if now == last:
            return now
        last = now
    return None


def _moved(scrape: Callable[[], Scrape], before: int, count: int, patience_s: float) -> int:
    """The counter's value once it has increased by `count`, or after the wait; Triton counts just after it responds."""
    until_s = time.monotonic() + patience_s
    while (now := scrape().success) < before + count and time.monotonic() < until_s:
        time.sleep(_STEP_S)
    time.sleep(_STEP_S)
    return max(now, scrape().success)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The generator's counts of the requests between the two readings of the page.

    Attributes:
        answered: Lower bound of the requests that the server answered.
        sent: Upper bound of the requests that were sent; None if unknown, since a worker was lost.
        edge: Requests near the first reading, which may be on either side of it.
    """

    answered: int
    sent: int | None
    edge: int


def disagreement(counted: int, counts: Counts) -> str:
    """Why the server's count does not match this run; empty if it matches."""
    fewest = counts.answered * (1 - _SHARE) - counts.edge - min(_SLACK, counts.answered / 2)
    if counted < fewest:
        return (
            f"the server counted {counted:,} requests and answered {counts.answered:,} of this run: the metrics belong "
            "to another server, or the target has several replicas"
        )
    if counts.sent is not None and counted > counts.sent * (1 + _SHARE) + counts.edge + _SLACK:
        return (
            f"the server counted {counted:,} requests and this run sent {counts.sent:,}: other clients use the target "
            "too, or the metrics belong to another server"
        )
    return ""
