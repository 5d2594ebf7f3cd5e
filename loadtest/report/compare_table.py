"""Command: a comparison on a terminal: the metrics side by side, and in the last line whether they differ."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loadtest.report.formatting import short_milliseconds
from loadtest.result.compare import Comparison, Row, Word
from slipway.printable import printable

__all__ = ["render", "sentence"]

_COLOURS: dict[Word, str] = {"worse": "red", "better": "green", "no difference": "dim", "not known": "yellow"}
_TELLING = ("p99", "p99.9", "p50", "mean")
"""If several latencies differ in the same direction, the first of these is named."""


def render(comparison: Comparison, console: Console) -> None:
    """Print the notes, the table and the conclusion."""
    for note in comparison.notes:
        console.print(f"[yellow]note:[/] {escape(printable(note, limit=2_000))}", soft_wrap=True, highlight=False)
    console.print(_table(comparison))
    for reason in dict.fromkeys(row.missing for row in comparison.rows if row.missing):
        console.print(f"  {escape(printable(reason))}", soft_wrap=True, highlight=False)
    console.print(f"[bold]{escape(printable(sentence(comparison), limit=2_000))}[/]", soft_wrap=True, highlight=False)


def sentence(comparison: Comparison) -> str:
    """The conclusion: "b.json is slower: p99 +3.1 ms (+12 %), 95 % interval +1.0 to +5.2 ms"."""
    a, b = comparison.names
    if not comparison.judged:
        comparable = any(row.word != "not known" for row in comparison.rows)
        why = comparison.obstacles[0] if comparable else "no metric has enough requests"
        return f"{b} and {a} cannot be compared: {why}"
    clauses = [f"{what}: {_figure(row, comparison)}" for what, row in _findings(comparison)]
    if not clauses:
        return f"{b} does not differ from {a}: every {_share(comparison)} interval contains 0"
    return f"{b} {'; it '.join(clauses)}"


def _findings(comparison: Comparison) -> Iterator[tuple[str, Row]]:
    rows = {row.name: row for row in comparison.rows if row.differs}
    for word, what in (("worse", "is slower"), ("better", "is faster")):
        rows_with_word = [rows[name] for name in _TELLING if name in rows and rows[name].word == word]
        if rows_with_word:
            yield what, rows_with_word[0]
    for name, worse, better in (
        ("error rate", "fails more often", "fails less often"),
        ("throughput", "answers fewer requests", "answers more requests"),
    ):
        if name in rows:
            yield (worse if rows[name].word == "worse" else better), rows[name]


def _figure(row: Row, comparison: Comparison) -> str:
    unit = _unit_of_difference(row)
    percent = f" ({_percent(row.percent)})" if row.percent is not None else ""
    interval = f"{_share(comparison)} interval {_interval(row)} {unit}"
    return f"{row.name} {_signed(row.difference, row)} {unit}{percent}, {interval}"


def _table(comparison: Comparison) -> Table:
    a, b = (escape(name) for name in comparison.names)
    titles = ("", a, b, "difference", "", f"{_share(comparison)} interval", "")
    table = Table(*titles, box=None, pad_edge=True, header_style="dim")
    for column in table.columns[1:-1]:
        column.justify = "right"
    for row in comparison.rows:
        values = [f"{_plain(value, row)} {row.unit}" for value in (row.a, row.b)]
        known = row.word != "not known"
        difference = f"{_signed(row.difference, row)} {_unit_of_difference(row)}" if known else ""
        percent = _percent(row.percent) if row.percent is not None else ""
        word = f"[{_COLOURS[row.word]}]{row.word}[/]" if not comparison.obstacles else ""
        table.add_row(row.name, *values, difference, percent, _interval(row) if known else "", word)
    return table


def _share(comparison: Comparison) -> str:
    return f"{100 * comparison.confidence:g} %"


def _unit_of_difference(row: Row) -> str:
    return "points" if row.unit == "%" else row.unit


def _interval(row: Row) -> str:
    return f"{_signed(row.low, row)} to {_signed(row.high, row)}"


def _percent(value: float) -> str:
    return f"{value:+,.0f} %" if abs(value) >= 10 else f"{value:+.1f} %"


def _plain(value: float, row: Row) -> str:
    if row.unit == "ms":
        return short_milliseconds(value)
    return f"{value:.3f}" if row.unit == "%" else f"{value:,.1f}"


def _signed(value: float | None, row: Row) -> str:
    value = value or 0.0
    return f"{'-' if value < 0 else '+'}{_plain(abs(value), row)}"
