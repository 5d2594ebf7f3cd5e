"""The commands that the load test adds to `slipway`. Light: Locust runs in a process of its own."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from loadtest.cli_options import (
    REPOSITORY,
    ForceOption,
    ImagesOption,
    MetricsOption,
    ModelOption,
    ProcessesOption,
    RepositoryOption,
    ScenarioArgument,
    SetOption,
    SloOption,
    UrlOption,
    spelled,
)

__all__ = ["ScenarioOrCommand", "capacity", "loadtest"]


class ScenarioOrCommand(TyperGroup):
    """`loadtest smoke` runs a scenario; `loadtest compare` and the other words of the group are commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's context has no public name
        """Put the word `run` in front of a scenario."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


loadtest = typer.Typer(
    cls=ScenarioOrCommand,
    no_args_is_help=True,
    help="Does the service meet its objectives? Offer a scenario's load and answer with PASS, FAIL or INVALID.\n\n"
    "slipway loadtest SCENARIO is short for slipway loadtest run SCENARIO; --help behind it lists its options.",
)


@loadtest.command("run")
def run(
    scenario: ScenarioArgument,
    *,
    url: UrlOption = None,
    model: ModelOption = None,
    images: ImagesOption = None,
    repository: RepositoryOption = REPOSITORY,
    rate: Annotated[float | None, typer.Option(help="Requests per second, of a scenario with one rate.")] = None,
    duration_s: Annotated[float | None, typer.Option(help="Length of the measured window.")] = None,
    slo: SloOption = None,
    override: SetOption = None,
    closed_loop: Annotated[
        int | None, typer.Option(help="For comparison: so many users who wait for each answer.", metavar="USERS")
    ] = None,
    metrics_url: MetricsOption = None,
    processes: ProcessesOption = 1,
    report_dir: Annotated[
        Path | None, typer.Option("--report-dir", "-o", help="Folder of the report; a new one below runs/loadtest.")
    ] = None,
    force: ForceOption = False,
    junit: Annotated[Path | None, typer.Option(help="Also write the verdict as JUnit XML, for CI.")] = None,
    print_report: Annotated[
        bool, typer.Option("--print-report", help="Also print report.json, as the last line.")
    ] = False,
) -> None:
    """Offer a scenario's load, and hold the answers against its objectives.

    Latency counts from the moment a request was due. Exit code: 0 PASS, 1 FAIL, 2 the scenario or the command is
    wrong, 3 INVALID (the generator was the limit, the run was cut short, or nothing could be measured).

    Example: slipway loadtest smoke

    Example: slipway loadtest steady --url http://localhost:8000 --rate 800 --slo p99_ms=20 --junit verdict.xml
    """
    from loadtest.request import RunRequest
    from loadtest.result import REPORT
    from loadtest.run import run_scenario
    from loadtest.summary import print_summary
    from loadtest.verdict import EXIT_CODES
    from loadtest.whole_file import refuse_to_overwrite

    arrivals = {} if closed_loop is None else _closed(scenario, closed_loop)
    if rate is not None:
        arrivals["arrivals.rate_rps"] = str(rate)
    if duration_s is not None:
        arrivals["arrivals.duration_s"] = str(duration_s)
    named = {"target.url": url, "target.model": model, "payload.images": images, "target.metrics_url": metrics_url}
    typed = {"arrivals": closed_loop, "arrivals.rate_rps": rate, "arrivals.duration_s": duration_s}
    request = RunRequest(
        scenario=scenario,
        overrides=arrivals | _overrides(named, slo=slo, override=override),
        spelled=spelled({**named, **typed}, slo=slo, override=override),
        repository=repository,
        report_dir=report_dir,
        junit=junit,
        command=_command_line(),
    )
    request.load()  # a mistake in it is told before anything starts
    if report_dir is not None:
        refuse_to_overwrite(report_dir / REPORT, other="--report-dir", force=force)
    console = Console()
    result, page = run_scenario(request, processes=processes, console=console)
    print_summary(result, page, console)
    if print_report:
        typer.echo(result.model_dump_json())
    raise typer.Exit(EXIT_CODES[result.verdict.outcome])


@loadtest.command("list")
def list_scenarios() -> None:
    """List the shipped scenarios.

    Example: slipway loadtest list
    """
    from rich.table import Table

    from loadtest.scenario import load_scenario, shipped_scenarios

    table = Table("scenario", "what it offers", "objectives", box=None)
    for name in shipped_scenarios():
        scenario = load_scenario(name)
        bounds = [f"p{percent:g} ≤ {bound:g} ms" for percent, bound in scenario.slo.latency_bounds_ms().items()]
        table.add_row(name, scenario.description, ", ".join([*bounds, f"errors ≤ {scenario.slo.error_rate:.4g}"]))
    Console().print(table)


@loadtest.command("page")
def page(
    report: Annotated[Path, typer.Argument(help="A report.json, or the folder that holds it.")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write.")] = Path("report.html"),
    force: ForceOption = False,
) -> None:
    """Write the page of a report.json, such as the one that --print-report left in a log.

    Example: slipway loadtest page report.json
    """
    from loadtest.report import render_report
    from loadtest.result import read_result
    from loadtest.whole_file import refuse_to_overwrite, write_whole

    refuse_to_overwrite(output, other="--output", force=force)
    write_whole(output, render_report(read_result(report)), other="--output")
    Console().print(f"written: {output}", soft_wrap=True, highlight=False)


@loadtest.command("compare")
def compare(
    a: Annotated[Path, typer.Argument(help="A report.json, or the folder that holds it.")],
    b: Annotated[Path, typer.Argument(help="Another.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Say whether two runs differ, with the uncertainty of each difference.

    Seconds of both runs are drawn again and again with replacement (bootstrap); a difference counts where 95 % of
    the draws agree on its sign. Exit code: 0 there is a verdict, 2 a file is no report, 3 the runs cannot be compared.

    Example: slipway loadtest compare runs/loadtest/before runs/loadtest/after
    """
    from loadtest.compare import compare as compare_results
    from loadtest.compare_table import render
    from loadtest.result import read_result
    from loadtest.verdict import EXIT_CODES

    comparison = compare_results(read_result(a), read_result(b))
    if as_json:
        Console().print_json(data=comparison.to_dict())
    else:
        render(comparison, Console())
    if not comparison.judged:
        raise typer.Exit(EXIT_CODES["INVALID"])


def capacity(
    scenario: ScenarioArgument,
    *,
    url: UrlOption = None,
    model: ModelOption = None,
    images: ImagesOption = None,
    repository: RepositoryOption = REPOSITORY,
    slo: SloOption = None,
    override: SetOption = None,
    metrics_url: MetricsOption = None,
    processes: ProcessesOption = 1,
    head_room: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the capacity to be left free while a replica starts.")
    ] = 0.2,
    resolution: Annotated[
        float, typer.Option(min=0.01, max=1, help="Where the search stops: gap to a rate that did not hold, relative.")
    ] = 0.1,
    shortest_s: Annotated[float, typer.Option(min=1, max=60, help="Shortest measurement, in seconds.")] = 5.0,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("capacity.yaml"),
    force: ForceOption = False,
    report_dir: Annotated[
        Path | None, typer.Option(help="Folder of the measurements' reports; a new one below runs/capacity.")
    ] = None,
    print_capacity: Annotated[
        bool, typer.Option("--print-capacity", help="Also print the file, last: where only the log is kept, so is it.")
    ] = False,
    tune: Annotated[
        bool,
        typer.Option(
            "--tune", help="Serve several configurations here, measure each, and propose one; nothing is rewritten."
        ),
    ] = False,
    instances: Annotated[str, typer.Option(help="With --tune: instance counts.", metavar="N,N,...")] = "1,2,4",
    max_batch_sizes: Annotated[
        str | None, typer.Option(help="With --tune: largest batches; the model's own if not given.", metavar="N,N,...")
    ] = None,
) -> None:
    """Find the highest rate that one replica holds within a scenario's objectives, and write it down.

    The file says how many requests per second, and how many in flight, one replica carries: what an autoscaler's
    target is computed from. The target must be ONE replica. Takes two to three minutes; needs a machine on which
    nothing else runs.

    Example: slipway capacity steady

    Example: slipway capacity steady --slo p99_ms=20 --tune --instances 1,2 --max-batch-sizes 16,32
    """
    from loadtest.capacity_cli import run_capacity
    from loadtest.measure_capacity import CapacityOrder
    from loadtest.request import RunRequest
    from loadtest.whole_file import refuse_to_overwrite

    named = {"target.url": url, "target.model": model, "payload.images": images, "target.metrics_url": metrics_url}
    request = RunRequest(
        scenario=scenario,
        overrides=_overrides(named, slo=slo, override=override),
        spelled=spelled(named, slo=slo, override=override),
        repository=repository,
        report_dir=None,
        junit=None,
        command=_command_line(),
    )
    refuse_to_overwrite(output, other="--output", force=force)
    folder = report_dir or Path("runs/capacity") / f"{request.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    order = CapacityOrder(
        request=request,
        folder=folder,
        head_room=head_room,
        processes=processes,
        resolution=resolution,
        shortest_s=shortest_s,
    )
    grid = (instances, max_batch_sizes) if tune else None
    run_capacity(order, output=output, grid=grid, print_file=print_capacity, console=Console())


def _command_line() -> str:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _overrides(
    named: Mapping[str, str | Path | None], *, slo: list[str] | None, override: list[str] | None
) -> dict[str, str]:
    """Values by dotted key: options that were given, then `--slo`, then `--set`; a later one wins."""
    from loadtest.request import parse_overrides

    given = {key: str(value) for key, value in named.items() if value is not None}
    objectives = parse_overrides([f"slo.{text}" for text in slo or []])
    return given | objectives | parse_overrides(override or [])


def _closed(scenario: str, users: int) -> dict[str, str]:
    """The same length, with waiting users in place of the scenario's arrivals."""
    from loadtest.scenario import load_scenario

    seconds = load_scenario(scenario).arrivals.seconds
    return {"arrivals": f"{{kind: closed, users: {users}, duration_s: {seconds}}}"}
