"""A file of text where an npz was expected: what it looks like, and how to turn it into one.

    csv_hint(path)     # 'this is text: 785 columns separated by "," below a header line: ... np.loadtxt(...)'

Only the first lines are looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

__all__ = ["csv_hint"]

_LINES = 200
_LONGEST = 1 << 20
_SEPARATORS = (",", ";", "\t", "|")
_NUMBER = re.compile(r'\s*"?[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?"?\s*')


def csv_hint(path: Path) -> str:
    """Describe a table of text and give the commands that make an npz of it; empty unless it is one.

    Raises:
        OSError: The file cannot be read.
    """
    lines = _first_lines(path) if path.is_file() else []
    separator = _separator(lines)
    if separator is None:
        return ""
    table = [line.split(separator) for line in lines]
    columns, _ = Counter(len(row) for row in table).most_common(1)[0]
    header = int(len(table) > 1 and not _any_number(table[0]) and _any_number(table[1]))
    ragged = [number for number, row in enumerate(table, start=1) if len(row) != columns]
    odd = [number for number, row in enumerate(table, start=1) if number > header and not _numbers(row)]
    shown = {"\t": "a tab"}.get(separator, repr(separator))
    said = [f"this is text: {columns:,} columns separated by {shown}{' below a header line' if header else ''}"]
    if ragged:
        said.append(f"line {ragged[0]:,} has {len(table[ragged[0] - 1]):,} columns: mend it first")
    elif odd:
        said.append(
            f"line {odd[0]:,} holds something other than numbers: give classes numbers, and their names in `labels`"
        )
    said.append(
        "with one image a line, the class first: "
        f"t = np.loadtxt(PATH, dtype=np.uint8, delimiter={separator!r}, skiprows={header}); "
        "x, y = t[:, 1:].reshape(-1, HEIGHT, WIDTH), t[:, 0].astype(np.int64); "
        "then np.savez('my.npz', x_train=x[:n], y_train=y[:n], x_test=x[n:], y_test=y[n:])"
    )
    return "; ".join(said)


def _first_lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        start = file.read(_LONGEST)
    if b"\0" in start:
        return []
    lines = start.decode("utf-8-sig", errors="replace").splitlines()
    whole = lines[:-1] if len(start) == _LONGEST and len(lines) > 1 else lines  # the last one may be cut
    text = [line for line in whole[:_LINES] if line.strip()]
    return text if all(line.replace("\t", " ").isprintable() and "\ufffd" not in line for line in text) else []


def _separator(lines: list[str]) -> str | None:
    """The one that most lines have, and the most often."""
    counts = {one: sum(line.count(one) for line in lines) for one in _SEPARATORS}
    best = max(counts, key=lambda one: counts[one])
    return best if lines and counts[best] >= len(lines) else None


def _any_number(row: list[str]) -> bool:
    return any(_NUMBER.fullmatch(cell) for cell in row)


def _numbers(row: list[str]) -> bool:
    return all(_NUMBER.fullmatch(cell) for cell in row)
