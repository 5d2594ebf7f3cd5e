"""The commands that the rehearsal adds to `slipway`. Light: what a command needs is imported when it runs."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from loadtest.cli import ScenarioOrCommand
from loadtest.cli_options import ForceOption

__all__ = ["cluster", "rehearse"]

_FOLDER = Path("runs/cluster")
FolderOption = Annotated[
    Path,
    typer.Option("--folder", help="Working folder of the cluster; each folder is a separate cluster."),
]
NodesOption = Annotated[str, typer.Option("--nodes", help="Node types: karpenter, fixed, or the path of a YAML file.")]

cluster = typer.Typer(
    no_args_is_help=True,
    help="Run a real control plane as local processes: kube-apiserver, scheduler, KServe, KEDA, Karpenter, "
    "Prometheus. GPU nodes are simulated; predictor pods are real tritonservers. `slipway rehearse` uses it.",
)


@cluster.command()
def up(
    *,
    nodes: NodesOption = "karpenter",
    folder: FolderOption = _FOLDER,
    until_exit_of: Annotated[
        int | None,
        typer.Option(min=1, metavar="PID", help="End the cluster when this process ends or is killed."),
    ] = None,
) -> None:
    """Start a cluster. It runs until `slipway cluster down`; Ctrl-C during the start leaves nothing running.

    The first time, its programs are built from their Go modules (25 to 30 minutes on two cores, once).

    Example: slipway cluster up

    Example: slipway cluster up --nodes fixed --folder runs/rack
    """
    from rehearsal.cluster.commands import announce, bring_up
    from rehearsal.cluster.nodes.pools import load_nodes

    console = Console()
    announce(bring_up(folder, load_nodes(nodes), console, owner_pid=until_exit_of), console)


@cluster.command()
def status(
    *,
    folder: FolderOption = _FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every program of the cluster and its health.

    Exit code: 0 all healthy, 1 a program is unhealthy, 2 there is no cluster in this folder.
    """
    from rehearsal.cluster.commands import status_table
    from rehearsal.cluster.controlplane.lifecycle import running
    from rehearsal.cluster.controlplane.supervisor_client import SupervisorClient

    states = SupervisorClient(running(folder)).status()
    if as_json:
        typer.echo(json.dumps([state.model_dump(mode="json") for state in states], indent=1))
    else:
        Console().print(status_table(states))
    if not all(state.healthy for state in states):
        raise typer.Exit(1)


@cluster.command()
def down(*, folder: FolderOption = _FOLDER) -> None:
    """End the cluster, and remove its processes and its folder."""
    from rehearsal.cluster.controlplane.lifecycle import down as end

    was_up = end(folder)
    typer.echo(f"the cluster in {folder} is gone" if was_up else f"the cluster in {folder} was killed before: removed")


@cluster.command()
def build() -> None:
    """Build the cluster's programs, as `up` does the first time. An interrupted build resumes later.

    They take 1.2 GB in ~/.cache/slipway/rehearsal, or `rehearsal` below SLIPWAY_CACHE; the build takes 8 to 20 GB.
    """
    from rehearsal.cluster.toolchain import ensure_programs

    programs = ensure_programs(Console())
    typer.echo(f"{len(programs.executables)} programs are ready")


rehearse = typer.Typer(
    cls=ScenarioOrCommand,
    no_args_is_help=True,
    help="Test the serving chart's autoscaling on a real control plane, under load and with faults.\n\n"
    "Example: slipway rehearse step\n\n"
    "A scenario's name, or the path of your own, takes the place of COMMAND; slipway rehearse step --help lists the "
    "options.",
)


@rehearse.command("run")
def run(
    scenario: Annotated[
        str, typer.Argument(help="A shipped scenario (see `slipway rehearse list`) or the path of a YAML file.")
    ],
    *,
    values: Annotated[
        list[Path] | None,
        typer.Option(
            "--values", "-f", help="Values file of the serving chart, repeatable; the scenario's values override it."
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(help="Load to use instead of the scenario's: a CSV with the columns at_s,rate_rps."),
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Set any value of the scenario, such as slo.p99_ms=100; repeatable.", metavar="KEY=VALUE"
        ),
    ] = None,
    nodes: Annotated[
        str | None,
        typer.Option(help="Node types, overriding the scenario's: karpenter, fixed, or the path of a YAML file."),
    ] = None,
    repository: Annotated[
        Path, typer.Option("--repository", "-r", help="Model repository.", envvar="SLIPWAY_REPOSITORY")
    ] = Path("model_repository"),
    chart: Annotated[Path, typer.Option(help="The serving chart.")] = Path("helm/serving"),
    folder: FolderOption = _FOLDER,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the cluster running if it was started for this rehearsal.")
    ] = False,
    report_dir: Annotated[
        Path | None,
        typer.Option("--report-dir", "-o", help="Folder for the report (default: a new one below runs/rehearsal)."),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Rehearse a scenario on the cluster in --folder, or on a temporary one if none is running there.

    Exit code: 0 PASS, 1 FAIL, 2 invalid scenario or command line, 3 INVALID or not carried out.

    Example: slipway rehearse step

    Example: slipway rehearse step --values my-values.yaml --set slo.p99_ms=100
    """
    from loadtest.scenario.scenario_file import parse_overrides
    from rehearsal.experiment.run.command import RehearsalRequest, run_rehearsal
    from slipway.verdict import EXIT_CODES

    overrides = parse_overrides(override or [])
    if trace is not None:
        overrides["load.arrivals"] = json.dumps({"kind": "trace", "file": str(trace)})
    request = RehearsalRequest(
        scenario=scenario,
        overrides=overrides,
        values=tuple(values or ()),
        nodes=nodes,
        repository=repository,
        chart=chart,
        folder=folder,
        keep=keep,
        report_dir=report_dir,
        force=force,
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    )
    raise typer.Exit(EXIT_CODES[run_rehearsal(request, Console()).verdict.outcome])


@rehearse.command("list")
def list_scenarios() -> None:
    """List the shipped scenarios."""
    from rehearsal.experiment.scenario.schema import load_scenario, shipped_scenarios

    for name in shipped_scenarios():
        typer.echo(f"{name:16}{load_scenario(name).description}")


@rehearse.command()
def page(report: Annotated[Path, typer.Argument(help="A report.json, or the folder that holds it.")]) -> None:
    """Write report.html again from the report.json beside it, for example after an update of slipway."""
    from rehearsal.experiment.report import write_report
    from rehearsal.experiment.result.result import read_result

    result = read_result(report)
    typer.echo(write_report(result, report if report.is_dir() else report.parent))
