"""What a person sees while a rehearsal runs: a line with the load's time, rate and latency, replicas and nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from loadtest.report.terminal_summary import milliseconds
from rehearsal.experiment.result.observations import Sample

__all__ = ["LoadLines", "load_line"]

_EVERY_S = 15


class LoadLines:
    """The line now and then, where there is no terminal for a bar."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = -float("inf")

    def follow(self, message: Mapping[str, Any], line: str) -> None:
        """Print it, if the last one is long enough ago in the load's own time."""
        second = message["second"]
        if self._console.is_terminal or second < self._next_s:
            return
        self._next_s = second + _EVERY_S
        self._console.print(
            f"load: second {second:.0f} of {message['window_s']:.0f}  {line}", highlight=False, soft_wrap=True
        )


def load_line(message: Mapping[str, Any], sample: Sample | None) -> str:
    """How it goes, from the load test's message and the newest look at the cluster."""
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
