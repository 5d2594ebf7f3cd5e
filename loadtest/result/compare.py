"""Command: does run B differ from run A, or is it chance?

    comparison = compare(read_result(before), read_result(after), names=("before", "after"))
    comparison.differs
    [row.word for row in comparison.rows]           # "worse", "better", "no difference", "not known"

The interval of a difference is the percentile interval of two block bootstraps, one of each run (Efron & Tibshirani,
"An Introduction to the Bootstrap", 1993, chapters 8 and 13; blocks: Künsch 1989, see `block_bootstrap`). Where the
offered rate changes over time the intervals are conservative. The confidence applies to each interval by itself: of
twenty metrics at 95 %, one differs by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from loadtest.result.block_bootstrap import Blocks
from loadtest.result.comparability import missing_reason, notes_on
from loadtest.result.run_result import Result

__all__ = ["Comparison", "Row", "Word", "compare"]

Word = Literal["worse", "better", "no difference", "not known"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric of both runs, in `unit`.

    Attributes:
        name: "p50", "p99", "p99.9", "mean", "error rate" or "throughput".
        unit: "ms", "%" or "requests/s".
        higher_is_worse: True for latencies and errors.
        a: Value in run A.
        b: Value in run B.
        difference: B - A; None if it cannot be compared.
        percent: The difference in percent of A; None if it cannot be compared, or A is 0.
        low: Lower end of the interval of the difference; None if it cannot be compared.
        high: Upper end, likewise.
        missing: Why it cannot be compared; empty if it can.
    """

    name: str
    unit: str
    higher_is_worse: bool
    a: float
    b: float
    difference: float | None = None
    percent: float | None = None
    low: float | None = None
    high: float | None = None
    missing: str = ""

    @property
    def differs(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def word(self) -> Word:
        """B relative to A."""
        if self.low is None:
            return "not known"
        if not self.differs:
            return "no difference"
        return "worse" if (self.low > 0) == self.higher_is_worse else "better"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Comparison of run B with run A.

    Attributes:
        names: Names of A and B.
        confidence: Confidence of each interval, between 0 and 1.
        resamples: Number of bootstrap resamples.
        rows: The metrics.
        notes: Differences of the conditions, one sentence each.
        obstacles: Those notes that rule out a comparison; empty if the runs can be compared.
    """

    names: tuple[str, str]
    confidence: float
    resamples: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    obstacles: tuple[str, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether the runs, and at least one of their metrics, can be compared."""
        return not self.obstacles and any(row.word != "not known" for row in self.rows)

    @property
    def differs(self) -> bool:
        """Whether any metric differs; False if the runs cannot be compared."""
        return self.judged and any(row.differs for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "names": list(self.names),
            "confidence": self.confidence,
            "resamples": self.resamples,
            "judged": self.judged,
            "differs": self.differs,
            "rows": [{**asdict(row), "differs": row.differs, "word": row.word} for row in self.rows],
            "notes": list(self.notes),
            "obstacles": list(self.obstacles),
        }


def compare(
    a: Result,
    b: Result,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    names: tuple[str, str] = ("A", "B"),
) -> Comparison:
    """Compare two runs over their measured windows.

    Args:
        a: The reference run.
        b: The run to compare with it.
        resamples: Number of bootstrap resamples of each run.
        seed: Seed of the bootstrap; equal seeds give equal intervals.
        confidence: Confidence of each interval, between 0 and 1.
        names: Names of A and B in notes and sentences.
    """
    runs = ((names[0], a), (names[1], b))
    blocks = [Blocks.of(run) for run in (a, b)]
    draws_a, draws_b = (
        part.draws(resamples, np.random.default_rng([seed, number])) for number, part in enumerate(blocks)
    )
    tail = _tail(confidence, min(len(part.counts) for part in blocks))
    tails = [tail, 1 - tail]
    notes = list(notes_on(runs))
    rows = [
        _row(blank, draws_b[blank.name] - draws_a[blank.name], tails, missing_reason(blank.name, runs))
        for blank in _blanks(a, b)
    ]
    return Comparison(
        names=names,
        confidence=confidence,
        resamples=resamples,
        rows=tuple(rows),
        notes=tuple(text for text, _ in notes),
        obstacles=tuple(text for text, obstacle in notes if obstacle),
    )


def _tail(confidence: float, blocks: int) -> float:
    """Tail probability at each end, corrected so that few blocks do not make a narrow interval.

    The expanded percentile interval (Hesterberg, "What Teachers Should Know About the Bootstrap", The American
    Statistician 69, 2015): Student's t in place of the normal quantile z, and the deviation of n - 1 in place of n.
    Student's quantile is Abramowitz & Stegun 26.7.5, to two terms.
    """
    z, free = NormalDist().inv_cdf((1 + confidence) / 2), max(1, blocks - 1)
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return NormalDist().cdf(-t * math.sqrt((free + 1) / free))


def _blanks(a: Result, b: Result) -> Iterator[Row]:
    """Rows with the metrics of both reports, not yet compared."""
    latency = {"p50": "p50", "p99": "p99", "p99.9": "p99_9", "mean": "mean"}
    for name, field in latency.items():
        in_a, in_b = (getattr(run.figures.latency_ms, field) for run in (a, b))
        yield Row(name=name, unit="ms", higher_is_worse=True, a=in_a, b=in_b)
    rates = [100 * run.figures.error_rate for run in (a, b)]
    yield Row(name="error rate", unit="%", higher_is_worse=True, a=rates[0], b=rates[1])
    throughput = [run.figures.answered_rps for run in (a, b)]
    yield Row(name="throughput", unit="requests/s", higher_is_worse=False, a=throughput[0], b=throughput[1])


def _row(blank: Row, differences: NDArray[np.float64], tails: list[float], missing: str) -> Row:
    drawn = differences[np.isfinite(differences)]
    if missing or not len(drawn):
        return Row(**{**asdict(blank), "missing": missing or "no resample contained requests of both runs"})
    difference = blank.b - blank.a
    low, high = np.round(np.quantile(drawn, tails), 9)  # float sums depend on their order in the last digits
    compared = {
        "difference": difference,
        "percent": 100 * difference / blank.a if blank.a else None,
        "low": float(low),
        "high": float(high),
    }
    return Row(**{**asdict(blank), **compared})
