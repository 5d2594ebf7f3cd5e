"""Rows that a check found: their number, and the first few."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["SHOWN", "Pairs", "Rows"]

SHOWN = 5
"""Number of rows to list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one array.

    Attributes:
        count: Number of rows.
        first: The first `SHOWN` of them, counted from 0.
    """

    count: int = 0
    first: tuple[int, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[int]) -> Rows:
        """Shorten a list of row numbers."""
        return cls(count=len(rows), first=tuple(rows[:SHOWN]))

    @classmethod
    def where(cls, mask: ArrayLike) -> Rows:
        """The rows at which a boolean array is true."""
        return cls.of(np.flatnonzero(mask).tolist())

    def __str__(self) -> str:
        return f"{'row' if self.count == 1 else 'rows'} {_shortened(map(str, self.first), self.count)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of rows, in the same array or in two.

    Attributes:
        count: Number of rows.
        first: The first `SHOWN` of them, `(row, row of the partner)`, counted from 0.
    """

    count: int = 0
    first: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> Pairs:
        """Shorten a list of pairs."""
        all_pairs = tuple(pairs)
        return cls(count=len(all_pairs), first=all_pairs[:SHOWN])

    def __str__(self) -> str:
        named = (f"{row} (as {partner})" for row, partner in self.first)
        return f"{'row' if self.count == 1 else 'rows'} {_shortened(named, self.count)}"


def _shortened(named: Iterable[str], count: int) -> str:
    text = ", ".join(named)
    return f"{text} and {count - SHOWN:,} more" if count > SHOWN else text
