"""The commands `slipway cluster`: start a cluster with progress, print how to use it, show its status."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.controlplane.lifecycle import require_usable_folder, up
from rehearsal.cluster.controlplane.process_manager import ProgramState
from rehearsal.cluster.nodes.pools import Nodes
from rehearsal.cluster.toolchain import ensure_programs

__all__ = ["announce", "bring_up", "status_table", "steps"]


@contextmanager
def steps(console: Console, text: str) -> Iterator[Callable[[str], None]]:
    """Yields a function that shows a step; repeated steps are not printed again."""
    if console.is_terminal:
        with console.status(text) as line:
            yield line.update
        return
    last = ""

    def show(step: str) -> None:
        nonlocal last
        if step != last:
            console.print(step, highlight=False, soft_wrap=True)
        last = step

    show(text)
    yield show


def bring_up(folder: Path, nodes: Nodes, console: Console, *, owner_pid: int | None = None) -> ClusterConnection:
    """Check folder and machine, build missing programs, start everything, and return when it is healthy.

    With `owner_pid` it ends with that process.

    Raises:
        RehearsalError: It could not be started; nothing is left running.
    """
    require_usable_folder(folder)
    programs = ensure_programs(console)
    began_s = time.monotonic()
    healthy: list[str] = []
    with steps(console, "starting the control plane") as show:

        def tell(name: str, _after_s: float) -> None:
            if name in healthy:
                return
            healthy.append(name)
            show(f"starting the control plane: {name} is healthy ({len(healthy)})")

        connection = up(
            folder,
            executables=programs.executables,
            module_files={name: programs.files(name) for name in programs.built},
            nodes=nodes,
            tell=tell,
            owner_pid=owner_pid,
        )
    console.print(
        f"the cluster is up after {time.monotonic() - began_s:.0f} s: {len(healthy)} programs are healthy",
        highlight=False,
    )
    return connection


def announce(connection: ClusterConnection, console: Console) -> None:
    """Print how to use it; adds the cluster's kubectl and helm to PATH if there are no others."""
    built = {str(connection.executables[name].parent) for name in ("kubectl", "helm") if shutil.which(name) is None}
    path = f'export PATH="$PATH:{":".join(sorted(built))}"\n' if built else ""
    console.print(
        f"\nexport KUBECONFIG={escape(str(connection.kubeconfig))}\n{escape(path)}\n"
        "kubectl, helm and k9s now use this cluster. Install the service into the namespace "
        f"{connection.namespace}; clients use {connection.gateway_url} (HTTP and gRPC); Prometheus is at "
        f"{connection.prometheus_url}.\n"
        "`slipway rehearse step` rehearses on it, `slipway cluster down` ends it.",
        highlight=False,
        soft_wrap=True,
    )


def status_table(states: Iterable[ProgramState]) -> Table:
    """Name, process and health of each program; the log of an unhealthy one."""
    table = Table(box=None, pad_edge=False)
    for column in ("", "program", "process", "what it does"):
        table.add_column(column, overflow="fold")
    for state in states:
        mark = "[green]✓[/]" if state.healthy else "[red]✗[/]"
        description = (
            escape(state.said) if state.healthy else f"{escape(state.said)}\n[dim]log: {escape(str(state.log))}[/]"
        )
        table.add_row(mark, state.name, str(state.pid or "none"), description)
    return table
