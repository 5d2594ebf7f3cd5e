"""Command: what a run's metrics would be by chance alone, had its time been drawn anew.

    draws = Blocks.of(result).draws(2_000, np.random.default_rng(0))
    np.quantile(draws["p99"], [0.025, 0.975])

The bootstrap resamples the measurements with replacement (Efron & Tibshirani, "An Introduction to the Bootstrap",
1993). Requests are not independent: those of one second meet the same queue. So blocks of time are resampled instead of
requests (Künsch, "The Jackknife and the Bootstrap for General Stationary Observations", Annals of Statistics 17,
1989): whole seconds, or of a long run the consecutive seconds that make at most 300 blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loadtest.result.histogram import LatencyHistogram
from loadtest.result.run_result import Result

__all__ = ["PERCENTILES", "Blocks", "Draws"]

PERCENTILES = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9}

_MOST_BLOCKS = 300
_CHUNK_BYTES = 32_000_000

Draws = dict[str, NDArray[np.float64]]
"""By metric: one value per resample, NaN for one without requests. Milliseconds, percent, and requests per second."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """The measured window as blocks of time.

    Attributes:
        whole: Latencies of the whole window, which determine the buckets in use.
        counts: float64, shape (blocks, buckets in use): answered requests.
        totals: float64, shape (4, blocks): seconds, due, errors, answered.
    """

    whole: LatencyHistogram
    counts: NDArray[np.float64]
    totals: NDArray[np.float64]

    @classmethod
    def of(cls, result: Result) -> Self:
        """Split the window into blocks; seconds without requests count too."""
        rows = [row for row in result.seconds if row.measured]
        window_s = result.figures.window_s
        seconds = max([1, math.ceil(window_s), *(row.second + 1 for row in rows)])
        size = math.ceil(seconds / _MOST_BLOCKS)
        histograms = [row.histogram("latency") for row in rows]
        whole = LatencyHistogram.merged(histograms)
        counts = np.zeros((math.ceil(seconds / size), len(whole.buckets)))
        totals = np.zeros((4, len(counts)))
        np.add.at(totals[0], np.arange(seconds) // size, np.clip(window_s - np.arange(seconds), 0, 1))
        for row, histogram in zip(rows, histograms, strict=True):
            block = row.second // size
            counts[block, np.searchsorted(whole.buckets, histogram.buckets)] += histogram.counts
            totals[1:, block] += row.due, sum(row.errors.values()), row.answered
        return cls(whole=whole, counts=counts, totals=totals)

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return float(self.totals[0].sum())

    def draws(self, resamples: int, generator: np.random.Generator) -> Draws:
        """Resample the blocks `resamples` times, and compute every metric of each resample."""
        parts = [self._metrics(weights) for weights in self._weights(resamples, generator)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _weights(self, resamples: int, generator: np.random.Generator) -> Iterator[NDArray[np.float64]]:
        """Number of times that each resample contains each block, in chunks of bounded memory."""
        blocks, buckets = self.counts.shape
        chunk = max(1, _CHUNK_BYTES // (8 * max(blocks, buckets)))
        for begin in range(0, resamples, chunk):
            size = min(chunk, resamples - begin)
            yield generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=size).astype(np.float64)

    def _metrics(self, weights: NDArray[np.float64]) -> Draws:
        seconds, due, errors, answered = self.totals @ weights.T
        total_ms = weights @ (self.counts @ self.whole.middles_ns()) / 1e6
        return {
            **self._percentiles(weights),
            "mean": _ratio(total_ms, answered),
            "error rate": _ratio(100 * errors, due),
            "throughput": _ratio(answered, seconds),
        }

    def _percentiles(self, weights: NDArray[np.float64]) -> Draws:
        if not self.counts.size:
            return {name: np.full(len(weights), np.nan) for name in PERCENTILES}
        drawn = weights @ self.counts
        cumulative = np.cumsum(drawn, axis=1, out=drawn)
        last, highest_ms = cumulative[:, -1], self.whole.highest_ns() / 1e6
        metrics = {}
        for name, percent in PERCENTILES.items():
            # The same rank as in LatencyHistogram.percentiles_ns.
            ranks = np.maximum(np.floor(percent * last / 100 + 0.5), 1)
            at = np.count_nonzero(cumulative < ranks[:, np.newaxis], axis=1)
            metrics[name] = np.where(last > 0, highest_ms[np.minimum(at, len(highest_ms) - 1)], np.nan)
        return metrics


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio
