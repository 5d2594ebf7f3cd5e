"""Worker: notes what became of each request, at the price of an append, and folds the notes into slices.

    recorder = Recorder(window_begin_ns=...)
    recorder.note(due_ns=..., dispatched_ns=..., sent_ns=..., done_ns=..., error=None, images=1)
    recorder.fold()          # a few times a second: takes at most some hundred microseconds
    recorder.take()          # the slices since the last call

A request belongs to the second in which it was due, and its latency counts from then, however late it was sent.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from loadtest.result.histogram import LatencyHistogram
from loadtest.result.interval_statistics import IntervalBook, IntervalStatistics

__all__ = ["Recorder"]

_COLUMNS = 6
_DUE, _LAG, _SERVICE, _LATENCY, _ERROR, _IMAGES = range(_COLUMNS)
_NONE = 0


class Recorder:
    """Recorder of one process. All times are nanoseconds of one clock.

    Args:
        window_begin_ns: Start of the measured window; requests due before it belong to a negative second.
    """

    def __init__(self, *, window_begin_ns: int) -> None:
        self._window_begin_ns = window_begin_ns
        self._notes = array("q")
        self._kinds: dict[str | None, int] = {None: _NONE}
        self._book = IntervalBook()

    def note(
        self, *, due_ns: int, dispatched_ns: int, sent_ns: int, done_ns: int, error: str | None, images: int
    ) -> int:
        """Record a completed request, with its kind of error if it failed. Returns its latency, from due to done."""
        kind = self._kinds.setdefault(error, len(self._kinds))
        latency_ns = done_ns - due_ns
        self._notes.extend(
            (due_ns - self._window_begin_ns, dispatched_ns - due_ns, done_ns - sent_ns, latency_ns, kind, images)
        )
        return latency_ns

    def fold(self) -> None:
        """Aggregate the new records."""
        if not self._notes:
            return
        notes = np.frombuffer(self._notes, np.int64).reshape(-1, _COLUMNS)
        self._notes = array("q")
        seconds = notes[:, _DUE] // 1_000_000_000
        names = {number: name for name, number in self._kinds.items() if name is not None}
        self._book.add(_slice(int(second), notes[seconds == second], names) for second in np.unique(seconds))

    def take(self) -> tuple[IntervalStatistics, ...]:
        """The slices since the last call."""
        self.fold()
        book, self._book = self._book, IntervalBook()
        return book.slices()


def _slice(second: int, notes: NDArray[np.int64], names: dict[int, str]) -> IntervalStatistics:
    answered = notes[notes[:, _ERROR] == _NONE]
    kinds, counts = np.unique(notes[notes[:, _ERROR] != _NONE, _ERROR], return_counts=True)
    return IntervalStatistics(
        second=second,
        due=len(notes),
        answered=len(answered),
        images=int(answered[:, _IMAGES].sum()),
        errors={names[kind]: count for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True)},
        latency=LatencyHistogram.of(answered[:, _LATENCY]),
        service=LatencyHistogram.of(answered[:, _SERVICE]),
        lag=LatencyHistogram.of(notes[:, _LAG]),
    )
