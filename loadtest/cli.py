"""Command: what the load test adds to `slipway`. Light: Locust runs in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from loadtest.capacity.cli import capacity
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

__all__ = ["ScenarioOrCommand", "capacity", "loadtest"]


class ScenarioOrCommand(TyperGroup):
    """`loadtest smoke` runs a scenario; `loadtest compare` and the other commands of the group stay commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's context has no public name
        """Insert `run` before a scenario."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


loadtest = typer.Typer(
    cls=ScenarioOrCommand,
    no_args_is_help=True,
    help="Run a scenario's load against a server: PASS, FAIL or INVALID.\n\n"
    "slipway loadtest SCENARIO is short for slipway loadtest run SCENARIO; add --help for its options.",
)


@loadtest.command("run")
@grouped
def run(
    scenario: ScenarioArgument,
    *,
    target: TargetOptions,
    rate: Annotated[float | None, typer.Option(help="Requests per second, for a scenario with one rate.")] = None,
    duration_s: Annotated[float | None, typer.Option(help="Length of the measured window, in seconds.")] = None,
    objectives: ObjectiveOptions,
    closed_loop: Annotated[
        int | None, typer.Option(help="Run a closed loop of this many users instead, for comparison.", metavar="USERS")
    ] = None,
    access: ServerOptions,
    processes: ProcessesOption = 1,
    report_dir: Annotated[
        Path | None,
        typer.Option("--report-dir", "-o", help="Folder for the report (default: a new one below runs/loadtest)."),
    ] = None,
    force: ForceOption = False,
    junit: Annotated[Path | None, typer.Option(help="Also write the verdict as JUnit XML, for CI.")] = None,
    print_report: Annotated[
        bool, typer.Option("--print-report", help="Also print report.json, as the last line.")
    ] = False,
) -> None:
    """Run a scenario's load against a server, and compare the result with its objectives.

    Latency counts from the time at which a request was due. Exit code: 0 PASS, 1 FAIL, 2 invalid scenario or command
    line, 3 INVALID (the generator was the limit, the run was cut short, or nothing could be measured).

    Example: slipway loadtest smoke

    Example: slipway loadtest steady --url http://localhost:8000 --rate 800

    Example: slipway loadtest steady --slo p99_ms=20 --junit verdict.xml
    """
    from loadtest.report.terminal_summary import print_summary
    from loadtest.run import run_scenario
    from slipway.verdict import EXIT_CODES

    request = run_request(
        scenario,
        target=target,
        objectives=objectives,
        access=access,
        closed_loop=closed_loop,
        rate=rate,
        duration_s=duration_s,
        report_dir=report_dir,
        junit=junit,
        force=force,
    )
    request.refuse_to_overwrite()
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

    from loadtest.scenario.scenario_file import load_scenario, shipped_scenarios

    table = Table("scenario", "load", "objectives", box=None)
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
    """Write the HTML page of a report.json, for example of one that --print-report wrote to a log.

    Example: slipway loadtest page report.json
    """
    from loadtest.output_file import refuse_to_overwrite, write_output
    from loadtest.report.page import render_report
    from loadtest.result.run_result import read_result

    refuse_to_overwrite(output, other="--output", force=force)
    write_output(output, render_report(read_result(report)), other="--output")
    Console().print(f"written: {output}", soft_wrap=True, highlight=False)


@loadtest.command("compare")
def compare(
    a: Annotated[Path, typer.Argument(help="A report.json, or the folder that holds it.")],
    b: Annotated[Path, typer.Argument(help="Another.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compare two runs, with the uncertainty of each difference.

    Seconds of both runs are resampled with replacement (block bootstrap); a difference counts if 95 % of the
    resamples agree on its sign. Exit code: 0 compared, 2 a file is not a report, 3 the runs are not comparable.

    Example: slipway loadtest compare runs/loadtest/before runs/loadtest/after
    """
    from loadtest.report.compare_table import render
    from loadtest.result.compare import compare as compare_results
    from loadtest.result.run_result import read_result
    from slipway.verdict import EXIT_CODES

    comparison = compare_results(read_result(a), read_result(b))
    if as_json:
        Console().print_json(data=comparison.to_dict())
    else:
        render(comparison, Console())
    if not comparison.judged:
        raise typer.Exit(EXIT_CODES["INVALID"])
