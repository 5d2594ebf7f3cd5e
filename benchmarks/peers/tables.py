"""The results as Markdown for docs/benchmarks.md, and as a document for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.peers.contenders import Contender
from benchmarks.peers.results import Figure, Goal, Summary, goals
from benchmarks.peers.rows import GRPC, HTTP, LARGE, Row

if TYPE_CHECKING:
    from benchmarks.peers.rounds import Timing, Turn

__all__ = ["as_document", "as_markdown", "short_table"]

_REFERENCE = "native"
_LONGEST = 240  # characters of a reason
_KIND = 60  # of them at its start


def as_markdown(summary: Summary, conditions: str) -> str:
    """The conditions, then every table; what did not run stands at the end with its reason."""
    blocks = [
        conditions,
        _rates(summary, "Over HTTP, images/s", HTTP),
        _ratios(summary),
        _rates(summary, "Over gRPC, images/s", GRPC),
        _large(summary),
        _life(summary),
        _goals(goals(summary)),
    ]
    if failures := summary.failures():
        lines = [f"- {_title(summary, name)}: {_end_of(reason)}" for name, reason in failures.items()]
        blocks.append("\n".join(["### Not measured in every round", "", *lines]))
    return "\n\n".join(block for block in blocks if block) + "\n"


def short_table(summary: Summary) -> str:
    """The one that a user decides by: one image a request, over HTTP, medians only."""
    rows = [row for row in HTTP if row.images == 1]
    body = [
        [each.title, *(_median(summary.rate(each.name, row.name)) for row in rows), _seconds(summary, each.name)]
        for each in summary.contenders
        if all(summary.rate(each.name, row.name) for row in rows) and not each.title.startswith("limit")
    ]
    return _table(["server", *(f"requests/s, {row.title}" for row in rows), "start, s"], body) + "\n"


def as_document(
    summary: Summary, turns: Mapping[str, Sequence[Turn]], *, conditions: Mapping[str, object], timing: Timing
) -> dict[str, object]:
    """Every sample of every round, with the goals."""
    return {
        "conditions": dict(conditions),
        "timing": dataclasses.asdict(timing),
        "contenders": {each.name: {"title": each.title, "http": each.http.title} for each in summary.contenders},
        "rounds": {name: [dataclasses.asdict(turn) for turn in taken] for name, taken in turns.items()},
        "goals": [{**dataclasses.asdict(goal), "is_met": goal.is_met} for goal in goals(summary)],
        "failures": summary.failures(),
    }


def _rates(summary: Summary, title: str, rows: Sequence[Row]) -> str:
    def cells(each: Contender) -> list[str]:
        figures = [_times(summary.rate(each.name, row.name), row.images) for row in rows]
        return [each.title, _speaks(each, rows), *map(_shown, figures)] if any(figures) else []

    return _section(summary, title, ["contender", "speaks", *(row.title for row in rows)], cells)


def _ratios(summary: Summary) -> str:
    rows = (*HTTP, *GRPC)

    def cells(each: Contender) -> list[str]:
        figures = [summary.ratio(_REFERENCE, each.name, row.name) for row in rows]
        return [each.title, *(_shown(figure, 2) for figure in figures)] if any(figures) else []

    heads = [f"gRPC {row.title}" if row.transport == "grpc" else row.title for row in rows]
    title = "How many times as many the native backend answers"
    return _section(summary, title, ["against", *heads], cells, without=_REFERENCE)


def _large(summary: Summary) -> str:
    def cells(each: Contender) -> list[str]:
        figure = summary.p50_us(each.name, LARGE.name)
        ratio = summary.latency_ratio(each.name, "onnxruntime", LARGE.name)
        return [each.title, _shown(figure), _shown(ratio, 2)] if figure else []

    heads = ["contender", "median, µs", "times ONNX Runtime in process"]
    return _section(summary, f"One caller, {LARGE.images} images", heads, cells)


def _life(summary: Summary) -> str:
    def cells(each: Contender) -> list[str]:
        started = summary.cold_start_s(each.name)
        if started is None:
            return []
        memory = _shown(summary.memory_mib(each.name))
        own = summary.memory_mib(each.name, "tritonserver")
        stopped = _shown(summary.stop_s(each.name), 2)
        left = f"; {summary.left(each.name)} processes left" if summary.left(each.name) else ""
        of_it = f"; tritonserver {_shown(own)}" if own and own.median else ""
        return [each.title, _shown(started, 2), stopped + left, memory + of_it]

    heads = ["contender", "start to first right answer, s", "stop, s", "memory (PSS), MiB"]
    return _section(summary, "Start, stop, memory", heads, cells)


def _goals(all_goals: Sequence[Goal]) -> str:
    verdicts = {True: "yes", False: "**no**", None: "not measured"}
    rows = [
        [
            goal.text,
            f"{'at least' if goal.at_least else 'at most'} {goal.bound:g} {goal.unit}",
            _shown(goal.figure, 2),
            verdicts[goal.is_met],
        ]
        for goal in all_goals
    ]
    return f"### Goals of the native backend\n\n{_table(['figure', 'goal', 'measured', 'met'], rows)}"


def _section(
    summary: Summary,
    title: str,
    heads: Sequence[str],
    cells: Callable[[Contender], list[str]],
    *,
    without: str | None = None,
) -> str:
    """A heading and a table; nothing where no contender has a figure."""
    rows = [row for each in summary.contenders if each.name != without and (row := cells(each))]
    return f"### {title}\n\n{_table(heads, rows)}" if rows else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---" if head == "speaks" else "--:" for head in heads[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *rows))


def _speaks(each: Contender, rows: Sequence[Row]) -> str:
    return each.http.title if rows[0].transport == "http" else "V2, raw contents"


def _times(figure: Figure | None, factor: int) -> Figure | None:
    if figure is None:
        return None
    return Figure(median=figure.median * factor, low=figure.low * factor, high=figure.high * factor)


def _shown(figure: Figure | None, digits: int = 0) -> str:
    return figure.shown(digits) if figure else "–"  # noqa: RUF001 - a dash in a table


def _median(figure: Figure | None) -> str:
    return f"{figure.median:,.0f}" if figure else "–"  # noqa: RUF001 - as above


def _seconds(summary: Summary, name: str) -> str:
    started = summary.cold_start_s(name)
    return f"{started.median:.1f}" if started else "–"  # noqa: RUF001 - as above


def _end_of(reason: str) -> str:
    """What a log says last is why; its start is where."""
    words = " ".join(reason.split())
    return words if len(words) <= _LONGEST else f"{words[:_KIND]} … {words[_KIND - _LONGEST :]}"


def _title(summary: Summary, name: str) -> str:
    return next((each.title for each in summary.contenders if each.name == name), name)
