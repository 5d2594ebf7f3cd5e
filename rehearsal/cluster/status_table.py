"""The programs of a cluster as a table for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.markup import escape
from rich.table import Table

from rehearsal.cluster.controlplane.process_manager import ProgramState

__all__ = ["status_table"]


def status_table(states: Iterable[ProgramState]) -> Table:
    """Name, process, what it does or what is wrong; the log of what is wrong."""
    table = Table(box=None, pad_edge=False)
    for column in ("", "program", "process", "what it does"):
        table.add_column(column, overflow="fold")
    for state in states:
        mark = "[green]✓[/]" if state.healthy else "[red]✗[/]"
        said = escape(state.said) if state.healthy else f"{escape(state.said)}\n[dim]log: {escape(str(state.log))}[/]"
        table.add_row(mark, state.name, str(state.pid or "none"), said)
    return table
