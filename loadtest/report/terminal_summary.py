"""Command and master: the result on a terminal: verdict, objectives, and the metrics a person asks for first."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loadtest.report.formatting import short_milliseconds
from loadtest.result.metrics import Percentiles, ServerMetrics, WindowMetrics
from loadtest.result.run_result import Result
from slipway.printable import printable
from slipway.verdict import Outcome

__all__ = ["print_summary"]

_COLOURS: dict[Outcome, str] = {"PASS": "green", "FAIL": "red", "INVALID": "yellow"}


def print_summary(result: Result, page: Path | None, console: Console) -> None:
    """Print the summary; `page` is the report, None if it could not be written."""
    verdict, target = result.verdict, result.target
    colour = _COLOURS[verdict.outcome]
    partial = ", interrupted" if result.partial else ""
    loop = (
        ""
        if result.generator.open_loop
        else ", closed loop: latencies omit stalls of the server (coordinated omission)"
    )
    say = _Voice(console)
    say(
        f"[bold {colour}]{verdict.outcome}[/]  {_shown(result.name)} at {_shown(target.url)}, model "
        f"{_shown(target.model)} version {_shown(target.version)}{partial}{loop}"
    )
    for reason in verdict.reasons:
        say(f"  [{colour}]{_shown(reason)}[/]")
    console.print(_objectives(result))
    console.print(_latencies(result.figures))
    say(_throughput(result.figures))
    for kind, count in result.figures.errors.items():
        say(f"  [red]{count:,} times: {_shown(kind)}[/]")
    if result.server is not None:
        say(_server(result.server))
    for note in result.notes:
        say(f"note: {_shown(note)}")
    if page is not None:
        say(f"report: [bold]{escape(str(page))}[/]")


def _shown(text: str) -> str:
    """Untrusted text without markup and control characters."""
    return escape(printable(text, limit=2_000))


class _Voice:
    """Prints lines without wrapping."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


def _objectives(result: Result) -> Table:
    table = Table("objective", "bound", "measured", "", box=None, pad_edge=True, header_style="dim")
    table.columns[1].justify = table.columns[2].justify = "right"
    for check in result.verdict.checks:
        mark = "[green]✓[/]" if check.passed else "[red]✗[/]"
        bound = f"{check.relation} {check.bound:g} {check.unit}"
        table.add_row(check.name, bound, f"{check.got:.4g} {check.unit}", mark)
    return table


def _latencies(figures: WindowMetrics) -> Table:
    names = ("p50", "p90", "p99", "p99_9", "max")
    titles = [name.replace("_", ".") for name in names]
    table = Table("milliseconds", *titles, box=None, pad_edge=True, header_style="dim")
    rows: dict[str, Percentiles] = {
        "latency, from due": figures.latency_ms,
        "server and network, from sent": figures.service_ms,
        "generator's lag": figures.lag_ms,
    }
    for column in table.columns[1:]:
        column.justify = "right"
    for title, row in rows.items():
        table.add_row(title, *(short_milliseconds(getattr(row, name)) for name in names))
    return table


def _throughput(figures: WindowMetrics) -> str:
    return (
        f"  {figures.due:,} requests in {figures.window_s:.0f} s: {figures.offered_rps:,.0f}/s offered, "
        f"{figures.answered_rps:,.0f}/s answered, {figures.error_rate:.3%} errors"
    )


def _server(server: ServerMetrics) -> str:
    usage = server.usage
    cores = f", {sum(sample.cpu_cores for sample in usage) / len(usage):.2f} cores" if usage else ""
    memory = f", {max(sample.memory_bytes for sample in usage) / 1e6:,.0f} MB" if usage else ""
    return (
        f"  server: {short_milliseconds(server.queue_us / 1e3)} ms in queue, "
        f"{short_milliseconds(server.compute_infer_us / 1e3)} ms in the model, {server.mean_batch:.1f} images per "
        f"batch, {server.in_flight:.1f} requests in flight{cores}{memory}"
    )
