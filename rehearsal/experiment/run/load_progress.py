"""Progress of a rehearsal on the console: time, rate and latency of the load, replicas, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console

from loadtest.report.terminal_summary import milliseconds
from loadtest.run import load_bar, move_bar
from rehearsal.experiment.result.observations import Sample

__all__ = ["LoadProgress", "load_line"]

_EVERY_S = 15


class LoadProgress:
    """A bar at a terminal; elsewhere a line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = load_bar(console, width=18)
        self._task = self._bar.add_task("load", total=None, figures="starting")
        self._next_s = -float("inf")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, message: Mapping[str, Any], sample: Sample | None) -> None:
        """Show a message of the load test; a line is printed once enough of the load's own time has passed."""
        line = load_line(message, sample)
        if self._console.is_terminal:
            move_bar(self._bar, self._task, message, figures=line)
            return
        second = message["second"]
        if second < self._next_s:
            return
        self._next_s = second + _EVERY_S
        self._console.print(
            f"load: second {second:.0f} of {message['window_s']:.0f}  {line}", highlight=False, soft_wrap=True
        )


def load_line(message: Mapping[str, Any], sample: Sample | None) -> str:
    """One line, from the load test's message and the newest sample of the cluster."""
    if message["second"] < 0:
        parts = ["warming up"]
    else:
        parts = [f"{message['offered_rps']:,}/s", f"p99 {milliseconds(message['p99_ms'])} ms"]
        if message["errors"]:
            parts.append(f"[red]{message['errors']:,} failed[/]")
    if sample is not None and sample.wanted is not None:
        parts.append(f"replicas {sample.ready or 0}/{sample.wanted}")
    if sample is not None:
        firing = sorted({alert.name for alert in sample.alerts or () if alert.state == "firing"})
        parts += [f"[yellow]{name}[/]" for name in firing]
        parts += [f"[red]no {gap}[/]" for gap in sample.gaps]
    return "  ".join(parts)
