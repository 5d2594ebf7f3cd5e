"""Command: what `slipway capacity` prints and writes around the search."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax

from loadtest.capacity.measure import CapacityRequest, measure_capacity
from loadtest.errors import ScenarioError
from loadtest.output_file import write_output
from loadtest.report.formatting import short_milliseconds
from slipway.capacity import Capacity, render_capacity
from slipway.model_config import parse_config
from slipway.repository import find_model

__all__ = ["announce", "run_capacity", "write_capacity"]


def run_capacity(
    request: CapacityRequest,
    *,
    output: Path,
    grid: tuple[str, str | None] | None,
    print_file: bool,
    console: Console,
) -> None:
    """Search, write and print; with a grid (instance counts, largest batches) tune first, and write the best.

    Raises:
        SlipwayError: No result could be measured.
    """
    capacity = measure_capacity(request, console) if grid is None else _tuned(request, grid, console)
    write_capacity(capacity, output)
    announce(capacity, output=output, folder=request.folder, print_file=print_file, console=console)


def write_capacity(capacity: Capacity, path: Path) -> None:
    """Write the file atomically.

    Raises:
        ReportError: The disk refused.
    """
    write_output(path, render_capacity(capacity), other="--output")


def _tuned(request: CapacityRequest, grid: tuple[str, str | None], console: Console) -> Capacity:
    from loadtest.capacity.tune import best, proposal, render_rows, tune  # noqa: PLC0415 - starts servers

    scenario = request.run.scenario
    repository, model = request.run.repository, scenario.target.model
    config = parse_config((find_model(repository, model).path / "config.pbtxt").read_text(encoding="utf-8"))
    instances, sizes = grid
    max_batch_sizes = _numbers("--max-batch-sizes", sizes or str(config.max_batch_size))
    largest = max(share.images for share in scenario.payload.batches)
    if min(max_batch_sizes) < largest:
        smallest = min(max_batch_sizes)
        raise ScenarioError(
            f"--max-batch-sizes: expected at least {largest}, the images of the scenario's largest request, got "
            f"{smallest}; or send smaller requests: --set 'payload.batches=[{{images: {smallest}}}]'"
        )
    rows = tune(
        request,
        instances=_numbers("--instances", instances),
        max_batch_sizes=max_batch_sizes,
        repository=repository,
        console=console,
    )
    console.print(render_rows(rows))
    chosen = best(rows)
    diff = proposal(repository, model, chosen.setting)
    console.print(
        Syntax(diff, "diff", background_color="default") if diff else "config.pbtxt is already the best of these"
    )
    assert chosen.capacity is not None  # noqa: S101 - `best` considers only rows that have one
    return chosen.capacity


def _numbers(option: str, text: str) -> list[int]:
    try:
        numbers = [int(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise ScenarioError(f"{option}: expected whole numbers from 1, separated by commas, got {text!r}")
    return numbers


def announce(capacity: Capacity, *, output: Path, folder: Path, print_file: bool, console: Console) -> None:
    """Print the capacity of one replica and the file's path; with `print_file`, the file's text at the end."""
    replica, target = capacity.replica, capacity.target
    at_least = "at least " if capacity.limited_by == "generator" else ""
    console.print(
        f"\n[bold]one replica holds {at_least}{replica.requests_per_s:,.0f} requests/s[/] with "
        f"{replica.in_flight:.1f} in flight, p99 {short_milliseconds(replica.p99_ms)} ms",
        highlight=False,
        soft_wrap=True,
    )
    if at_least:
        console.print(
            "above that, the generator was the limit: use more --processes, or a separate machine",
            highlight=False,
            soft_wrap=True,
        )
    if capacity.in_flight_counted_by == "client":
        console.print(
            "[yellow]requests in flight were computed from client timings, which include the network[/]: the server's "
            "metrics were not read (each report.json says why); set --metrics-url",
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        f"scale at {target.requests_per_s:,.0f} requests/s or {target.in_flight:.1f} in flight per replica: "
        f"{capacity.utilisation_margin:.0%} of the capacity free (p99 {short_milliseconds(target.p99_ms)} ms)\n"
        f"written: [bold]{escape(str(output))}[/]; every measurement has its report.json below {escape(str(folder))}",
        highlight=False,
        soft_wrap=True,
    )
    if print_file:
        console.out(render_capacity(capacity), end="", highlight=False)
