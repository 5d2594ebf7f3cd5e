"""The commands that the rehearsal adds to `slipway`. Light: what a command needs is imported when it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = ["cluster", "rehearse"]

_FOLDER = Path("runs/cluster")
FolderOption = Annotated[
    Path,
    typer.Option("--folder", help="The cluster's working folder; another folder is another cluster, side by side."),
]
NodesOption = Annotated[
    str, typer.Option("--nodes", help="Machines the cluster can have: karpenter, fixed, or the path of a YAML file.")
]

cluster = typer.Typer(
    no_args_is_help=True,
    help="A real control plane as processes of this machine: kube-apiserver, scheduler, KServe, KEDA, Karpenter, "
    "Prometheus. GPU nodes are simulated; predictor pods are real tritonservers.",
)


@cluster.command()
def up(*, nodes: NodesOption = "karpenter", folder: FolderOption = _FOLDER) -> None:
    """Bring a cluster up. It stays until `slipway cluster down`; Ctrl-C before it is up leaves nothing running.

    The first time, its programs are built from their Go modules (about 25 minutes on two cores, once).

    Example: slipway cluster up

    Example: slipway cluster up --nodes fixed --folder runs/rack
    """
    from rehearsal.bring_up import announce, bring_up
    from rehearsal.nodes.types import load_nodes

    console = Console()
    announce(bring_up(folder, load_nodes(nodes), console), console)


@cluster.command()
def status(
    *,
    folder: FolderOption = _FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say what every program of the cluster does, and what is wrong where one does not.

    Exit code: 0 all of it works, 1 something does not, 2 there is no cluster in this folder.
    """
    from rehearsal.controlplane.cluster import running
    from rehearsal.controlplane.control import Control
    from rehearsal.status_table import status_table

    states = Control(running(folder)).status()
    if as_json:
        typer.echo(json.dumps([state.model_dump(mode="json") for state in states], indent=1))
    else:
        Console().print(status_table(states))
    if not all(state.healthy for state in states):
        raise typer.Exit(1)


@cluster.command()
def down(*, folder: FolderOption = _FOLDER) -> None:
    """End the cluster: no process, port or folder of it is left."""
    from rehearsal.controlplane.cluster import down as end

    end(folder)
    typer.echo(f"the cluster in {folder} is gone")


@cluster.command()
def build() -> None:
    """Build the cluster's programs and nothing else, as `up` does the first time. Interrupted, it goes on later."""
    from rehearsal.build import ensure_programs

    programs = ensure_programs(Console())
    typer.echo(f"{len(programs.executables)} programs are ready")


rehearse = typer.Typer(no_args_is_help=True, help="Does the autoscaler follow, and what do users notice?")


@rehearse.command("list")
def list_scenarios() -> None:
    """List the shipped scenarios."""
