"""What was measured, in figures: medians over rounds, ratios within a round, and whether the goals are met.

    summary = Summary(contenders, turns)
    summary.ratio("native", "fastapi-1", "http-c1").median

A ratio is taken within each round, where both contenders had the same machine; its median and its spread are shown.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.peers.contenders import Contender
from benchmarks.peers.rows import LARGE

if TYPE_CHECKING:
    from benchmarks.peers.rounds import Turn

__all__ = ["Figure", "Goal", "Summary", "goals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A median over rounds, with the lowest and highest."""

    median: float
    low: float
    high: float

    def shown(self, digits: int = 0) -> str:
        """The median, and in brackets the range."""
        if self.low == self.high:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f}–{self.high:,.{digits}f})"  # noqa: RUF001 - a range


class Summary:
    """Every figure of one run, None where nothing was measured."""

    def __init__(self, contenders: Sequence[Contender], turns: Mapping[str, Sequence[Turn]]) -> None:
        self.contenders = tuple(contenders)
        self._turns = turns

    def rate(self, name: str, row: str) -> Figure | None:
        """Requests per second."""
        return _figure(self._rates(name, row))

    def p50_us(self, name: str, row: str) -> Figure | None:
        """The median latency of a round, in microseconds."""
        return _figure(turn.samples[row].p50_us for turn in self._of(name) if row in turn.samples)

    def ratio(self, name: str, to: str, row: str) -> Figure | None:
        """How many times the requests per second of `to` those of `name` are."""
        pairs = zip(self._rates(name, row), self._rates(to, row), strict=False)
        return _figure(ours / theirs for ours, theirs in pairs if ours and theirs)

    def latency_ratio(self, name: str, to: str, row: str) -> Figure | None:
        """How many times the median latency of `to` that of `name` is."""
        pairs = zip(self._of(name), self._of(to), strict=False)
        latencies = ((_p50(ours, row), _p50(theirs, row)) for ours, theirs in pairs)
        return _figure(ours / theirs for ours, theirs in latencies if ours and theirs)

    def cold_start_s(self, name: str) -> Figure | None:
        """From the start to the first right answer."""
        return _figure(turn.cold_start_s for turn in self._of(name))

    def stop_s(self, name: str) -> Figure | None:
        """From SIGTERM to the end."""
        return _figure(turn.stop_s for turn in self._of(name))

    def memory_mib(self, name: str, program: str | None = None) -> Figure | None:
        """Of every process, or of those that run one program."""
        return _figure(
            turn.memory_mib.get(program, 0) if program else sum(turn.memory_mib.values())
            for turn in self._of(name)
            if turn.memory_mib
        )

    def left(self, name: str) -> int:
        """Most processes that were left after SIGTERM in a round."""
        return max((turn.left for turn in self._of(name)), default=0)

    def failures(self) -> dict[str, str]:
        """Of each contender with a round that is not whole, the first reason."""
        failed = {name: [turn.failed for turn in turns if turn.failed] for name, turns in self._turns.items()}
        return {name: reasons[0] for name, reasons in failed.items() if reasons}

    def fastest(self, names: Sequence[str], row: str) -> str:
        """The contender with the highest rate."""
        return max(names, key=lambda name: figure.median if (figure := self.rate(name, row)) else 0)

    def _of(self, name: str) -> Sequence[Turn]:
        return self._turns.get(name, ())

    def _rates(self, name: str, row: str) -> list[float | None]:
        return [turn.samples[row].requests_per_s if row in turn.samples else None for turn in self._of(name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What the native backend is to reach.

    Attributes:
        text: What is compared.
        bound: At least so much, or at most.
        at_least: Which of both.
        unit: Of the bound, or the sign of a ratio.
        figure: What was measured; None where it was not.
    """

    text: str
    bound: float
    at_least: bool
    unit: str
    figure: Figure | None

    @property
    def is_met(self) -> bool | None:
        """None where nothing was measured."""
        if self.figure is None:
            return None
        return self.figure.median >= self.bound if self.at_least else self.figure.median <= self.bound


def goals(summary: Summary) -> tuple[Goal, ...]:
    """All of them, the losing ones too."""
    fastapi = ("fastapi-1", "fastapi-2")
    compared: list[tuple[str, Callable[[str], str], str, float]] = [
        ("HTTP c=1, against the faster FastAPI", lambda row: summary.fastest(fastapi, row), "http-c1", 2.5),
        ("HTTP c=16, against the faster FastAPI", lambda row: summary.fastest(fastapi, row), "http-c16", 2.5),
        ("HTTP c=64, against the faster FastAPI", lambda row: summary.fastest(fastapi, row), "http-c64", 2.2),
        ("HTTP c=1, against the Python backend", lambda _: "python", "http-c1", 4),
        ("HTTP c=64, against the Python backend", lambda _: "python", "http-c64", 1.6),
        ("gRPC c=4, against the Python backend", lambda _: "python", "grpc-c4", 3),
        ("gRPC c=64, against the Python backend", lambda _: "python", "grpc-c64", 1.6),
        ("16 images at c=4, against ONNX Runtime alone", lambda _: "onnxruntime", "http-16-images-c4", 0.8),
    ]
    ratios = [
        Goal(text=text, bound=bound, at_least=True, unit="×", figure=summary.ratio("native", to(row), row))  # noqa: RUF001 - times
        for text, to, row, bound in compared
    ]
    large = summary.latency_ratio("native-32", "onnxruntime", LARGE.name)
    limits = [
        ("32 images, c=1, median latency, against ONNX Runtime in process", 1.5, "×", large),  # noqa: RUF001 - times
        ("start to first right answer", 0.6, "s", summary.cold_start_s("native")),
        ("stop of an idle server", 0.7, "s", summary.stop_s("native")),
        ("memory of tritonserver", 120, "MiB", summary.memory_mib("native", "tritonserver")),
    ]
    return (*ratios, *(Goal(text=t, bound=b, at_least=False, unit=u, figure=f) for t, b, u, f in limits))


def _p50(turn: Turn, row: str) -> float | None:
    return turn.samples[row].p50_us if row in turn.samples else None


def _figure(values: Iterable[float | None]) -> Figure | None:
    known = [value for value in values if value is not None]
    return Figure(median=statistics.median(known), low=min(known), high=max(known)) if known else None
