"""Progress of a rehearsal on the console: time, rate and latency of the load, replicas, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from loadtest.report.terminal_summary import milliseconds
from loadtest.run import LoadBar
from rehearsal.experiment.result.observations import Sample

__all__ = ["LoadProgress", "load_line"]

_EVERY_S = 15


class LoadProgress(LoadBar):
    """A bar at a terminal; elsewhere a line now and then."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, description="load", width=18)
        self._next_s = -float("inf")

    def show(self, message: Mapping[str, Any], sample: Sample | None) -> None:
        """Show a message of the load test; a line is printed once enough of the load's own time has passed."""
        line = load_line(message, sample)
        if self._console.is_terminal:
            self.move(message, metrics=line)
            return
        second = message["second"]
        if second < self._next_s:
            return
        self._next_s = second + _EVERY_S
        self._print(f"load: second {second:.0f} of {message['window_s']:.0f}  {line}")


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
