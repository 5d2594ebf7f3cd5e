"""Command: one load test as a person sees it: a bar while it runs, then the result.

result, page = run_scenario(request, processes=1, console=Console())
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from loadtest.engine.locust_process import LocustProcess
from loadtest.engine.request import RunRequest
from loadtest.errors import GeneratorError, RunRefused
from loadtest.report.formatting import short_milliseconds
from loadtest.result.run_result import Result, read_result
from slipway.platform.progress import ProgressBar

__all__ = ["LoadBar", "follow_run", "run_scenario"]


def run_scenario(request: RunRequest, *, processes: int, console: Console, title: str = "") -> tuple[Result, Path]:
    """Run Locust with a progress bar, and read its report.

    Args:
        request: The run request.
        processes: Number of load generator processes.
        console: Console of the progress bar, which is drawn only on a terminal.
        title: Title of the bar.

    Returns:
        The result and its HTML page.

    Raises:
        LoadTestError: The run could not begin, or its report could not be written; with the cause's exit code.
    """
    with LoadBar(console, description=title or request.name) as bar:
        return follow_run(
            request, processes=processes, tell=lambda message: bar.move(message, metrics=_metrics(message))
        )


def follow_run(
    request: RunRequest, *, processes: int, tell: Callable[[Mapping[str, Any]], None]
) -> tuple[Result, Path]:
    """Run Locust to its end, and read its report.

    Args:
        request: The run request.
        processes: Number of load generator processes.
        tell: Called with the progress once a second.

    Returns:
        The result and the path of its HTML page, which exists if it was requested.

    Raises:
        GeneratorError: It ended without a report.
        RunRefused: It did not begin; with the cause's exit code.
    """
    last: Mapping[str, Any] = {}
    with LocustProcess(request, processes=processes) as locust:
        for last in locust.messages():
            if "refused" in last:
                raise _refusal(last)
            if "second" in last:
                tell(last)
    if last.get("report") is None:
        raise GeneratorError("the load generator ended without a report")
    page = Path(last["report"])
    return read_result(page.parent), page


def _refusal(message: Mapping[str, Any]) -> RunRefused:
    error = RunRefused(message["refused"])
    error.exit_status = message["exit_code"]
    return error


class LoadBar(ProgressBar):
    """How far a run is, and its newest metrics."""

    def __init__(self, console: Console, *, description: str, width: int = 24) -> None:
        """`width` is the bar's, in characters."""
        metrics = TextColumn("{task.fields[metrics]}")
        super().__init__(
            console,
            BarColumn(bar_width=width),
            metrics,
            TimeRemainingColumn(),
            description=description,
            metrics="starting",
        )

    def move(self, message: Mapping[str, Any], *, metrics: str) -> None:
        """Show what a run has told."""
        total_s = message["warmup_s"] + message["window_s"]
        done_s = min(total_s, message["warmup_s"] + message["second"])
        self._update(total=total_s, completed=done_s, metrics=metrics)


def _metrics(message: Mapping[str, Any]) -> str:
    if message["second"] < 0:
        return "warming up"
    errors = f"  [red]{message['errors']:,} errors[/]" if message["errors"] else ""
    return (
        f"{message['offered_rps']:,}/s  p50 {short_milliseconds(message['p50_ms'])} ms  "
        f"p99 {short_milliseconds(message['p99_ms'])} ms  lag {short_milliseconds(message['lag_p99_ms'])} ms{errors}"
    )
