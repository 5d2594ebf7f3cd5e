"""What a real tritonserver says about itself under a known load, as input of promtool.

A scrape a second; the labels are those that the chart's PodMonitor and Prometheus would add.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass

import httpx
import numpy as np

from slipway.client import Classifier
from tests.chart.healthy_service import OWN

SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One request as its client saw it."""

    done_ns: int
    took_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Scrapes and the load between them.

    Attributes:
        scrapes: Value by series, one a second; a series is `name{labels}` as Triton writes it.
        scraped_ns: When each was answered.
        answered: Requests, in no order.
    """

    scrapes: tuple[dict[str, float], ...]
    scraped_ns: tuple[int, ...]
    answered: tuple[Answered, ...]

    @property
    def metrics(self):
        """Names of all metrics."""
        return {re.match(r"[\w:]+", series).group() for series in self.scrapes[-1]}

    def labels_of(self, metric):
        """Label names of a metric."""
        found = [series for series in self.scrapes[-1] if re.fullmatch(rf"{metric}\{{.*\}}", series)]
        return {tuple(re.findall(r"(\w+)=", series)) for series in found}

    def promtool_series(self):
        """Input series, a value a second."""
        return {
            _with_labels(series): " ".join(f"{scrape[series]:.17g}" for scrape in self.scrapes)
            for series in self.scrapes[0]
        }

    def between(self, first, last):
        """Requests that were answered between two scrapes."""
        return [a for a in self.answered if self.scraped_ns[first] < a.done_ns <= self.scraped_ns[last]]


def _with_labels(series):
    name, _, labels = series.partition("{")
    return f"{name}{{{','.join(filter(None, (labels.removesuffix('}'), OWN)))}}}"


def scrape(url):
    """Value by series."""
    text = httpx.get(url, timeout=10, trust_env=False).raise_for_status().text
    return {
        match["name"] + (f"{{{match['labels']}}}" if match["labels"] else ""): float(match["value"])
        for match in SAMPLE.finditer(text)
    }


def record(server, *, model, callers, scrapes):
    """Let callers ask without a pause while the metrics are scraped once a second."""
    answered, stop = [], threading.Event()
    image = np.zeros((1, 28, 28, 1), dtype=np.uint8)

    def ask():
        with Classifier(server.grpc_url, model=model) as classifier:
            while not stop.is_set():
                started_ns = time.perf_counter_ns()
                classifier.predict(image)
                done_ns = time.perf_counter_ns()
                answered.append(Answered(done_ns=done_ns, took_ns=done_ns - started_ns))

    threads = [threading.Thread(target=ask) for _ in range(callers)]
    for thread in threads:
        thread.start()
    seen, times_ns = [], []
    began_ns = time.perf_counter_ns()
    try:
        for second in range(scrapes):
            time.sleep(max(0.0, second - (time.perf_counter_ns() - began_ns) / 1e9))
            seen.append(scrape(server.metrics_url))
            times_ns.append(time.perf_counter_ns())
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return Recording(scrapes=tuple(seen), scraped_ns=tuple(times_ns), answered=tuple(answered))


__all__ = ["Answered", "Recording", "record", "scrape"]
