"""Any process: latencies in HdrHistogram's buckets, three digits from 1 ns to 10 minutes, merged without loss.

    seconds = [LatencyHistogram.of(first_ns), LatencyHistogram.of(second_ns)]
    whole = LatencyHistogram.merged(seconds)
    whole.percentile_ns(99)

Only non-empty buckets are stored, so a histogram per second is small even over hours. The wire format is HdrHistogram's
own (V2, compressed, base64), which every HdrHistogram library reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

__all__ = ["DIGITS", "HIGHEST_NS", "LatencyHistogram"]

DIGITS = 3
HIGHEST_NS = 600_000_000_000

_LAYOUT = HdrHistogram(1, HIGHEST_NS, DIGITS)
_HALF: int = _LAYOUT.sub_bucket_half_count
_HALF_MAGNITUDE: int = _LAYOUT.sub_bucket_half_count_magnitude
_MASK: int = _LAYOUT.sub_bucket_mask


@dataclass(frozen=True, slots=True, eq=False)
class LatencyHistogram:
    """Counts of nanosecond values.

    Attributes:
        buckets: int64, shape (n,), ascending; HdrHistogram's index of each bucket that is not empty.
        counts: int64, shape (n,), each at least 1.
    """

    buckets: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls) -> Self:
        """A histogram without values."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64))

    @classmethod
    def of(cls, values_ns: NDArray[np.int64]) -> Self:
        """Count values, int64, shape (n,), each clipped to [0, HIGHEST_NS]."""
        buckets, counts = np.unique(_bucket_of(np.clip(values_ns, 0, HIGHEST_NS)), return_counts=True)
        return cls(buckets, counts.astype(np.int64))

    @classmethod
    def merged(cls, histograms: Iterable[LatencyHistogram]) -> Self:
        """The exact sum of several histograms."""
        parts = list(histograms)
        if not parts:
            return cls.empty()
        buckets, inverse = np.unique(np.concatenate([part.buckets for part in parts]), return_inverse=True)
        counts = np.zeros(len(buckets), np.int64)
        np.add.at(counts, inverse, np.concatenate([part.counts for part in parts]))
        return cls(buckets, counts)

    @property
    def count(self) -> int:
        """Number of values."""
        return int(self.counts.sum())

    @property
    def mean_ns(self) -> float:
        """Mean of the buckets' middles; 0 when empty."""
        return float(np.average(self.middles_ns(), weights=self.counts)) if len(self.counts) else 0.0

    @property
    def max_ns(self) -> int:
        """Highest value of the highest non-empty bucket; 0 when empty."""
        return int(self.highest_ns()[-1]) if len(self.buckets) else 0

    def highest_ns(self) -> NDArray[np.int64]:
        """Highest value of each non-empty bucket, int64, shape (n,)."""
        return _upper_edge(self.buckets)

    def middles_ns(self) -> NDArray[np.float64]:
        """Middle of each non-empty bucket, float64, shape (n,)."""
        return (_lower_edge(self.buckets) + _upper_edge(self.buckets)) / 2

    def percentile_ns(self, percent: float) -> int:
        """Highest value of the bucket in which the percentile lies, as HdrHistogram has it; 0 when empty."""
        return self.percentiles_ns([percent])[0]

    def percentiles_ns(self, percents: Sequence[float]) -> list[int]:
        """Several percentiles, each above 0 and at most 100, in one pass."""
        if not len(self.counts):
            return [0] * len(percents)
        cumulative = np.cumsum(self.counts)
        ranks = np.maximum((np.asarray(percents) * cumulative[-1] / 100 + 0.5).astype(np.int64), 1)
        at = np.minimum(np.searchsorted(cumulative, ranks), len(cumulative) - 1)
        return [int(value) for value in _upper_edge(self.buckets[at])]

    def encode(self) -> str:
        """HdrHistogram's compressed V2 format in base64."""
        histogram = HdrHistogram(1, HIGHEST_NS, DIGITS)
        for bucket, count in zip(self.buckets.tolist(), self.counts.tolist(), strict=True):
            histogram.record_value(histogram.get_value_from_index(bucket), count)
        text: bytes = histogram.encode()
        return text.decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """Decode the output of `encode`, or of another HdrHistogram library with the same range and digits.

        Raises:
            ValueError: The text is invalid, or its buckets differ.
        """
        try:
            histogram = HdrHistogram.decode(text)
        except Exception as exc:  # the codec raises many types
            raise ValueError(f"not a base64 HdrHistogram: {text[:40]!r}: {exc}") from exc
        digits, unit_ns = histogram.significant_figures, 1 << histogram.unit_magnitude
        if (digits, unit_ns) != (DIGITS, 1):
            raise ValueError(
                f"expected a histogram of {DIGITS} digits from 1 ns, got {digits} digits from {unit_ns} ns"
            )
        counts = np.ctypeslib.as_array(histogram.counts).astype(np.int64)
        buckets = np.flatnonzero(counts)
        return cls(buckets, counts[buckets])


def _bucket_of(values_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """HdrHistogram's index of each value: `_counts_index_for` of the library, for a whole array.

    A value below 2048 ns is its own index. Above, each power of two is divided into 1,024 buckets.
    """
    # A value has at most 40 bits, so float64 holds it exactly and frexp's exponent is its number of bits.
    bits = np.frexp((values_ns | _MASK).astype(np.float64))[1].astype(np.int64)
    shift = bits - (_HALF_MAGNITUDE + 1)
    return ((shift + 1) << _HALF_MAGNITUDE) + (values_ns >> shift) - _HALF


def _lower_edge(buckets: NDArray[np.int64]) -> NDArray[np.int64]:
    shift, within = _split(buckets)
    return within << shift


def _upper_edge(buckets: NDArray[np.int64]) -> NDArray[np.int64]:
    shift, within = _split(buckets)
    return ((within + 1) << shift) - 1


def _split(buckets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    shift = (buckets >> _HALF_MAGNITUDE) - 1
    within = (buckets & (_HALF - 1)) + np.where(shift < 0, 0, _HALF)
    return np.maximum(shift, 0), within
