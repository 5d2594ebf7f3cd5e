"""Print the result on the terminal: verdict, checks, and the most important metrics."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loadtest.report.formatting import short_milliseconds
from rehearsal.experiment.result.result import RehearsalMetrics, RehearsalResult
from slipway.verdict import Outcome

__all__ = ["print_summary"]

_COLOURS: dict[Outcome, str] = {"PASS": "green", "FAIL": "red", "INVALID": "yellow"}


def print_summary(result: RehearsalResult, page: Path | None, console: Console) -> None:
    """Print the summary; `page` is the report, None if it could not be written."""
    verdict = result.verdict
    colour = _COLOURS[verdict.outcome]

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False)

    partial = ", interrupted" if result.partial else ""
    say(f"[bold {colour}]{verdict.outcome}[/]  {escape(result.name)}: {escape(result.scenario.description)}{partial}")
    for reason in verdict.reasons:
        say(f"  [{colour}]{escape(reason)}[/]")
    console.print(_checks(result))
    say(_load(result.figures))
    say(_replicas(result.figures))
    for kind, count in result.load.figures.errors.items():
        say(f"  [red]{count:,} times: {escape(kind)}[/]")
    for failure in result.observed.failures:
        say(f"  {escape(failure.pod)}: {escape(failure.reason)}; cause: {escape(failure.cause)}")
    for note in result.notes:
        say(f"note: {escape(note)}")
    if page is not None:
        say(f"report: [bold]{escape(str(page))}[/]")


def _checks(result: RehearsalResult) -> Table:
    table = Table("check", "expected", "got", "", box=None, pad_edge=True, header_style="dim")
    for check in result.verdict.checks:
        mark = "[green]✓[/]" if check.passed else "[red]✗[/]"
        table.add_row(escape(check.name), escape(check.expected), escape(check.got), mark)
    return table


def _load(figures: RehearsalMetrics) -> str:
    return (
        f"  {figures.due:,} requests in {figures.window_s:.0f} s, {figures.failed:,} lost; p50 "
        f"{short_milliseconds(figures.p50_ms)} ms, p99 {short_milliseconds(figures.p99_ms)} ms; "
        f"{figures.slo_violation_s} s outside the objective"
    )


def _replicas(figures: RehearsalMetrics) -> str:
    return (
        f"  at most {figures.most_ready} replicas ready of {figures.most_wanted} requested; {figures.gpu_s:,.0f} "
        f"GPU-seconds (${figures.gpu_cost:.3f}), an oracle: {figures.oracle_gpu_s:,.0f} (${figures.oracle_cost:.3f})"
    )
