"""Command: `slipway capacity`. Light: Locust runs in a process of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from loadtest.cli_options import (
    ForceOption,
    ObjectiveOptions,
    ProcessesOption,
    ScenarioArgument,
    ServerOptions,
    TargetOptions,
    run_request,
)
from slipway.platform.option_groups import grouped

__all__ = ["capacity"]


@grouped
def capacity(
    scenario: ScenarioArgument,
    *,
    target: TargetOptions,
    objectives: ObjectiveOptions,
    access: ServerOptions,
    processes: ProcessesOption = 1,
    utilisation_margin: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the capacity to leave free while a replica starts.")
    ] = 0.2,
    head_room: Annotated[
        float | None, typer.Option(min=0, max=0.9, hidden=True, help="Earlier name of --utilisation-margin.")
    ] = None,
    resolution: Annotated[
        float, typer.Option(min=0.01, max=1, help="Relative precision at which the search stops.")
    ] = 0.1,
    shortest_s: Annotated[float, typer.Option(min=1, max=60, help="Shortest measurement, in seconds.")] = 5.0,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("capacity.yaml"),
    force: ForceOption = False,
    report_dir: Annotated[
        Path | None, typer.Option(help="Folder for the reports (default: a new one below runs/capacity).")
    ] = None,
    print_capacity: Annotated[
        bool, typer.Option("--print-capacity", help="Also print the file at the end, for example into a pod's log.")
    ] = False,
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Serve and measure several configurations on this machine, and propose the best."),
    ] = False,
    instances: Annotated[str, typer.Option(help="With --tune: instance counts.", metavar="N,N,...")] = "1,2,4",
    max_batch_sizes: Annotated[
        str | None, typer.Option(help="With --tune: largest batches (default: the model's own).", metavar="N,N,...")
    ] = None,
) -> None:
    """Find the highest rate at which one replica meets a scenario's objectives, and write it to a file.

    The file states the requests per second and the requests in flight of one replica, from which the autoscaler's
    target is computed. The target must be ONE replica. Takes two to three minutes on an otherwise idle machine.

    Example: slipway capacity steady

    Example: slipway capacity steady --slo p99_ms=20 --tune --instances 1,2
    """
    from loadtest.capacity.measure import CapacityRequest
    from loadtest.capacity.run import run_capacity
    from loadtest.output_file import refuse_to_overwrite

    run = run_request(scenario, target=target, objectives=objectives, access=access, force=force)
    refuse_to_overwrite(output, other="--output", force=force)
    folder = report_dir or Path("runs/capacity") / f"{run.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    request = CapacityRequest(
        run=run,
        folder=folder,
        utilisation_margin=utilisation_margin if head_room is None else head_room,
        processes=processes,
        resolution=resolution,
        shortest_s=shortest_s,
    )
    request.refuse_to_overwrite()
    grid = (instances, max_batch_sizes) if tune else None
    run_capacity(request, output=output, grid=grid, print_file=print_capacity, console=Console())
