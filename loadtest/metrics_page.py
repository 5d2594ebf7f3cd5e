"""Triton's metrics page: fetched within a bound of time and size, and read for one model and version.

    with MetricsPage("http://localhost:8002/metrics", model="mnist", version="3") as page:
        page.fetch().read().counters["nv_inference_request_success"]

To be used in gevent: its timeout bounds a server that sends one byte after another for ever, headers included.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import gevent
import httpx
from prometheus_client.parser import text_string_to_metric_families

from loadtest.errors import LoadTestError
from slipway.printable import printable

__all__ = ["FAILURE", "SUCCESS", "MetricsPage", "MetricsUnreadable", "Scrape", "read_scrape"]

SUCCESS, FAILURE = "nv_inference_request_success", "nv_inference_request_failure"

_TIMEOUT_S = 5.0
_MOST_BYTES = 8_000_000
_GPU_GAUGES = {"nv_gpu_utilization": "utilization", "nv_gpu_memory_used_bytes": "memory_used_bytes"}
_OURS = ("nv_inference_", *_GPU_GAUGES)


class MetricsUnreadable(LoadTestError):
    """The page cannot be had, or is none of Triton's.

    Attributes:
        answered: Triton's metrics came, and they say nothing of the model: they may be another server's.
    """

    def __init__(self, text: str, *, answered: bool = False) -> None:
        super().__init__(text)
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Scrape:
    """Counters of one version of a model; failures by reason; gauges by GPU."""

    counters: Mapping[str, float]
    failures: Mapping[str, float]
    gpus: Mapping[str, Mapping[str, float]]

    @property
    def success(self) -> int:
        """Requests answered since the server started."""
        return int(self.counters[SUCCESS])


class MetricsPage:
    """One page, for one version of one model."""

    def __init__(self, url: str, *, model: str, version: str) -> None:
        self.url = url
        self._model, self._version = model, version
        self._client = httpx.Client(timeout=_TIMEOUT_S, trust_env=False)

    def fetch(self) -> str:
        """The page as text, not yet understood: that takes time, which a run has at its end.

        Raises:
            MetricsUnreadable: It does not come whole within some seconds and bytes.
        """
        timeout = gevent.Timeout.start_new(_TIMEOUT_S)
        try:
            with self._client.stream("GET", self.url) as response:
                content = b"".join(_bounded(response.raise_for_status().iter_bytes()))
                return content.decode(response.encoding or "utf-8", errors="replace")
        except gevent.Timeout as exc:
            if exc is not timeout:
                raise
            raise MetricsUnreadable(f"expected the whole page within {_TIMEOUT_S:g} s, it was still coming") from exc
        except httpx.HTTPStatusError as exc:
            raise MetricsUnreadable(f"expected status 200, got {exc.response.status_code}") from exc
        except (httpx.HTTPError, httpx.InvalidURL, LookupError, ValueError, OSError) as exc:
            raise MetricsUnreadable(printable(str(exc)) or type(exc).__name__) from exc
        finally:
            timeout.close()

    def read(self, text: str) -> Scrape:
        """Understand what `fetch` brought.

        Raises:
            MetricsUnreadable: See `read_scrape`.
        """
        return read_scrape(text, model=self._model, version=self._version)

    def scrape(self) -> Scrape:
        """Fetch and understand."""
        return self.read(self.fetch())

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _bounded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > _MOST_BYTES:
            raise MetricsUnreadable(f"expected at most {_MOST_BYTES:,} bytes, got more")
        yield chunk


def read_scrape(text: str, *, model: str, version: str) -> Scrape:
    """Find the counters of one version of a model on a page.

    Raises:
        MetricsUnreadable: The page is no metrics, no Triton's, or says nothing of this version.
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
        raise MetricsUnreadable(f"they say nothing of model {model!r} version {version}", answered=True)
    return Scrape(counters, failures, gpus)


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if math.isfinite(sample.value):
                    yield sample.name.removesuffix("_total"), sample.labels, sample.value
    except (ValueError, LookupError, AttributeError, TypeError) as exc:  # what its parser raises at broken lines
        raise MetricsUnreadable(f"expected Prometheus' text format: {printable(str(exc))}") from exc
