"""One load test as a person sees it: a bar while it runs, then the result.

result, page = run_scenario(request, processes=1, console=Console())
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from loadtest.errors import GeneratorError, LoadTestError
from loadtest.launch import LocustProcess, locust_command
from loadtest.request import RunRequest
from loadtest.result import Result, read_result
from loadtest.summary import milliseconds

__all__ = ["run_scenario"]


def run_scenario(request: RunRequest, *, processes: int, console: Console, title: str = "") -> tuple[Result, Path]:
    """Run Locust, show how it goes, and read its report.

    Args:
        request: What to run.
        processes: Processes that make the load.
        console: Where the bar goes; none is drawn where nobody looks.
        title: Stands in front of the bar.

    Returns:
        The result and its HTML page.

    Raises:
        LoadTestError: The run could not begin, or its report could not be written; with the reason's own exit code.
    """
    last: Mapping[str, Any] = {}
    with LocustProcess(locust_command(request, processes=processes)) as locust, _bar(console) as bar:
        task = bar.add_task(title or request.name, total=None, figures="starting")
        for last in locust.messages():
            if "refused" in last:
                raise _refusal(last)
            if "second" in last:
                total_s = last["warmup_s"] + last["window_s"]
                done_s = min(total_s, last["warmup_s"] + last["second"])
                bar.update(task, total=total_s, completed=done_s, figures=_figures(last))
    if last.get("report") is None:
        raise GeneratorError("the load generator ended without a report")
    page = Path(last["report"])
    return read_result(page.with_name("report.json")), page


def _refusal(message: Mapping[str, Any]) -> LoadTestError:
    error = LoadTestError(message["refused"])
    error.exit_status = message["exit_code"]
    return error


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _figures(message: Mapping[str, Any]) -> str:
    if message["second"] < 0:
        return "warming up"
    errors = f"  [red]{message['errors']:,} errors[/]" if message["errors"] else ""
    return (
        f"{message['offered_rps']:,}/s  p50 {milliseconds(message['p50_ms'])} ms  "
        f"p99 {milliseconds(message['p99_ms'])} ms  lag {milliseconds(message['lag_p99_ms'])} ms{errors}"
    )
