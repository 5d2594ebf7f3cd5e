"""Any process: a recorded rate: a CSV file with the columns `at_s,rate_rps`, linear between its rows.

Errors are ValueErrors with the file's line, which become part of the scenario's error message.
"""

from __future__ import annotations

import csv
import math
from itertools import pairwise
from pathlib import Path

__all__ = ["RatePoint", "read_trace"]

RatePoint = tuple[float, float]
"""Seconds from the start of the window, and the requests per second at that time."""


def read_trace(path: Path) -> tuple[RatePoint, ...]:
    """Read the points of a trace, moved so that the first is at 0.

    Raises:
        ValueError: The file is missing or not such a table, is not sorted, or has no length or no rate.
    """
    lines, points = _rows(path)
    if len(points) < 2:
        raise ValueError(f"{path}: expected at least two rows, got {len(points)}: a trace needs a start and an end")
    for line, ((before_s, _), (after_s, _)) in zip(lines[1:], pairwise(points), strict=True):
        if after_s < before_s:
            raise ValueError(f"{path}, line {line}: not sorted: {after_s:g} s comes after {before_s:g} s")
    begin_s = points[0][0]
    if points[-1][0] == begin_s:
        raise ValueError(f"{path}: expected a length above 0 s, got a single time")
    # A rate at a single time, between two steps, makes no request.
    if not any((b_s - a_s) * (a_rps + b_rps) for (a_s, a_rps), (b_s, b_rps) in pairwise(points)):
        raise ValueError(f"{path}: expected a rate above 0 somewhere, got none")
    return tuple((at_s - begin_s, rate_rps) for at_s, rate_rps in points)


def _rows(path: Path) -> tuple[list[int], list[RatePoint]]:
    """Each row's line and values."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if rows.fieldnames is None or not {"at_s", "rate_rps"} <= set(rows.fieldnames):
                raise ValueError(f"{path}: expected a first line with the columns at_s,rate_rps, got {rows.fieldnames}")
            read = [(rows.line_num, _point(path, rows.line_num, row)) for row in rows]
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(f"{path}: cannot be read: {exc}") from exc
    return [line for line, _ in read], [point for _, point in read]


def _point(path: Path, line: int, row: dict[str, str]) -> RatePoint:
    try:
        at_s, rate_rps = float(row["at_s"]), float(row["rate_rps"])
    except (TypeError, ValueError):
        raise ValueError(
            f"{path}, line {line}: expected two numbers, got {row['at_s']!r} and {row['rate_rps']!r}"
        ) from None
    if not (math.isfinite(at_s) and math.isfinite(rate_rps)) or rate_rps < 0:
        raise ValueError(f"{path}, line {line}: expected finite numbers and a rate >= 0, got {at_s} and {rate_rps}")
    return at_s, rate_rps
