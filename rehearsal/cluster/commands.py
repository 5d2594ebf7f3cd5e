"""A cluster from the command line: its programs, then itself, with a line that tells how far it is."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from rehearsal.cluster.connection import Connection
from rehearsal.cluster.controlplane.lifecycle import require_place, up
from rehearsal.cluster.nodes.types import Nodes
from rehearsal.cluster.steps import steps
from rehearsal.cluster.toolchain import ensure_programs

__all__ = ["announce", "bring_up"]


def bring_up(folder: Path, nodes: Nodes, console: Console, *, owner_pid: int | None = None) -> Connection:
    """See that there is a place for it, build what is missing, start everything, and return when it works.

    With `owner_pid` it ends with that process, else it stays.

    Raises:
        RehearsalError: Whatever keeps it from that; nothing is left running.
    """
    require_place(folder)
    programs = ensure_programs(console)
    began_s = time.monotonic()
    working: list[str] = []
    with steps(console, "starting the control plane") as show:

        def tell(name: str, _after_s: float) -> None:
            if name in working:
                return
            working.append(name)
            show(f"starting the control plane: {name} works ({len(working)})")

        connection = up(
            folder,
            executables=programs.executables,
            module_files={name: programs.files(name) for name in programs.built},
            nodes=nodes,
            tell=tell,
            owner_pid=owner_pid,
        )
    console.print(
        f"the cluster is up after {time.monotonic() - began_s:.0f} s: {len(working)} programs work", highlight=False
    )
    return connection


def announce(connection: Connection, console: Console) -> None:
    """Say how one uses it: with the kubectl and the helm that were built along, where there are no others."""
    built = {str(connection.executables[name].parent) for name in ("kubectl", "helm") if shutil.which(name) is None}
    path = f'export PATH="$PATH:{":".join(sorted(built))}"\n' if built else ""
    console.print(
        f"\nexport KUBECONFIG={escape(str(connection.kubeconfig))}\n{escape(path)}\n"
        "kubectl, helm and k9s work on it now. The service goes into the namespace "
        f"{connection.namespace}; clients ask {connection.gateway_url} (HTTP and gRPC); Prometheus is at "
        f"{connection.prometheus_url}.\n"
        "`slipway rehearse step` rehearses on it, `slipway cluster down` ends it.",
        highlight=False,
        soft_wrap=True,
    )
