"""Master: Triton's metrics page: fetched within a bound of time and size, and read for one model and version.

page = MetricsPage("http://localhost:8002/metrics", model="mnist", version="3")
page.scrape().counters["nv_inference_request_success"]
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from loadtest.errors import LoadTestError
from slipway.client import InvalidAddress
from slipway.client.wire import PageUnreadable, parse_address, read_page
from slipway.printable import printable

__all__ = ["FAILURE", "SUCCESS", "MetricsPage", "MetricsUnreadable", "Scrape", "read_scrape"]

SUCCESS, FAILURE = "nv_inference_request_success", "nv_inference_request_failure"

_TIMEOUT_S = 5.0
_GPU_GAUGES = {"nv_gpu_utilization": "utilization", "nv_gpu_memory_used_bytes": "memory_used_bytes"}
_OURS = ("nv_inference_", *_GPU_GAUGES)


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
