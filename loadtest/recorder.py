"""Notes what became of each request, at the price of an append, and folds the notes into slices.

    recorder.note(due_ns=..., lag_ns=..., service_ns=..., latency_ns=..., error=None, images=1)
    recorder.fold()          # a few times a second: at most some hundred microseconds
    recorder.take()          # the slices since the last take

A request belongs to the second in which it was due.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from loadtest.histogram import LatencyHistogram
from loadtest.measurement import Slice, SliceBook

__all__ = ["Recorder"]

_COLUMNS = 6
_DUE, _LAG, _SERVICE, _LATENCY, _ERROR, _IMAGES = range(_COLUMNS)
_NONE = 0


class Recorder:
    """Of one process. Times are nanoseconds; `due_ns` counts from the start of the window, below 0 before it."""

    def __init__(self) -> None:
        self._notes = array("q")
        self._kinds: dict[str | None, int] = {None: _NONE}
        self._book = SliceBook()

    def note(
        self, *, due_ns: int, lag_ns: int, service_ns: int, latency_ns: int, error: str | None, images: int
    ) -> None:
        """One request is over: answered, or with an error of this kind."""
        kind = self._kinds.setdefault(error, len(self._kinds))
        self._notes.extend((due_ns, lag_ns, service_ns, latency_ns, kind, images))

    def fold(self) -> None:
        """Count what was noted since."""
        if not self._notes:
            return
        notes = np.frombuffer(self._notes, np.int64).reshape(-1, _COLUMNS)
        self._notes = array("q")
        seconds = notes[:, _DUE] // 1_000_000_000
        names = {number: name for name, number in self._kinds.items() if name is not None}
        self._book.add(_slice(int(second), notes[seconds == second], names) for second in np.unique(seconds))

    def take(self) -> tuple[Slice, ...]:
        """Everything noted since the last call."""
        self.fold()
        book, self._book = self._book, SliceBook()
        return book.slices()


def _slice(second: int, notes: NDArray[np.int64], names: dict[int, str]) -> Slice:
    answered = notes[notes[:, _ERROR] == _NONE]
    kinds, counts = np.unique(notes[notes[:, _ERROR] != _NONE, _ERROR], return_counts=True)
    return Slice(
        second=second,
        due=len(notes),
        answered=len(answered),
        images=int(answered[:, _IMAGES].sum()),
        errors={names[kind]: count for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True)},
        latency=LatencyHistogram.of(answered[:, _LATENCY]),
        service=LatencyHistogram.of(answered[:, _SERVICE]),
        lag=LatencyHistogram.of(notes[:, _LAG]),
    )
