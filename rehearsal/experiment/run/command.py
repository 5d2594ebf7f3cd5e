"""What `slipway rehearse SCENARIO` does around the rehearsal: files, a cluster, the report's place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from rich.console import Console

from loadtest.output_file import refuse_to_overwrite
from loadtest.result.run_result import REPORT
from rehearsal.cluster.commands import bring_up
from rehearsal.cluster.connection import Connection
from rehearsal.cluster.controlplane.lifecycle import down, running
from rehearsal.cluster.controlplane.spec import rehearsing
from rehearsal.cluster.nodes.types import Nodes, load_nodes
from rehearsal.errors import NoCluster, RehearsalScenarioError, StoreError
from rehearsal.experiment.report import PAGE
from rehearsal.experiment.report.terminal_summary import print_summary
from rehearsal.experiment.result.result import RehearsalResult
from rehearsal.experiment.run.chart import require_chart
from rehearsal.experiment.run.instant_boot import check_pool
from rehearsal.experiment.run.rehearse import Rehearsal, new_folder, rehearse
from rehearsal.experiment.run.store import find_source
from rehearsal.experiment.run.values import check_values, laid_over, read_values
from rehearsal.experiment.scenario.schema import RehearsalScenario, load_scenario
from slipway.errors import SlipwayError
from slipway.platform.signals import signals_as_interrupt

__all__ = ["Request", "carry_out"]

_NODES = "karpenter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A rehearsal as it was asked for on a command line.

    Attributes:
        scenario: A shipped scenario's name, or a file's path.
        overrides: Values in YAML by dotted key.
        values: Files with values of the chart, a later one over an earlier.
        nodes: Node types of a cluster that is brought up; None: the scenario's.
        repository: Where the model was published.
        chart: Folder of the serving chart.
        folder: Working folder of the cluster.
        keep: Leave a cluster up that was brought up for this.
        report_dir: Where the report goes; None: a new folder below runs/rehearsal.
        force: Overwrite the report that is there.
        command: Repeats it.
    """

    scenario: str
    overrides: Mapping[str, str]
    values: tuple[Path, ...]
    nodes: str | None
    repository: Path
    chart: Path
    folder: Path
    keep: bool
    report_dir: Path | None
    force: bool = False
    command: str


def carry_out(request: Request, console: Console) -> RehearsalResult:
    """Rehearse, and print the result. To be called in the main thread, for Ctrl-C; SIGTERM and SIGHUP are as good.

    Raises:
        RehearsalError: It could not be carried out; a cluster that was brought up for it is gone.
        LoadTestError: So too, and the reason lies in the load.
    """
    scenario = load_scenario(request.scenario, request.overrides)
    values: dict[str, Any] = reduce(laid_over, map(read_values, request.values), {})
    named = request.nodes or scenario.nodes.file
    nodes = load_nodes(named or _NODES)
    _check(request, scenario, values)
    with (
        signals_as_interrupt(),
        _cluster(request, scenario, nodes, console) as connection,
        rehearsing(connection.folder),
    ):
        if named and connection.nodes != nodes:
            where = "--nodes" if request.nodes else f"{request.scenario}: nodes.file"
            raise RehearsalScenarioError(
                f"{where} {named}: the cluster that is up in {request.folder} has other machines "
                f"({connection.nodes.description}); end it with `slipway cluster down`, name another --folder, or "
                "leave that out"
            )
        rehearsal = Rehearsal(
            name=Path(request.scenario).stem,
            scenario=scenario,
            command=request.command,
            values=values,
            chart=request.chart,
            repository=request.repository,
        )
        report_dir = request.report_dir or new_folder(request.scenario)
        with _logs(connection, report_dir, console) as keep:
            result = rehearse(rehearsal, connection, console=console, report_dir=report_dir)
            print_summary(result, report_dir / PAGE, console)
            if result.verdict.outcome != "PASS":
                keep()
    return result


def _check(request: Request, scenario: RehearsalScenario, values: Mapping[str, Any]) -> None:
    """What can be known without a cluster is known before one is built, which takes half an hour."""
    if request.report_dir is not None:
        for name in (REPORT, PAGE):
            refuse_to_overwrite(request.report_dir / name, other="--report-dir", force=request.force)
    require_chart(request.chart)
    find_source(request.repository)
    check_values(scenario, values)


@contextmanager
def _cluster(request: Request, scenario: RehearsalScenario, nodes: Nodes, console: Console) -> Iterator[Connection]:
    """The cluster that is up, or one for this alone."""
    try:
        connection = running(request.folder)
    except NoCluster:
        check_pool(scenario, nodes)
        connection = bring_up(request.folder, nodes, console, owner_pid=None if request.keep else os.getpid())
        try:
            yield connection
        finally:
            if not request.keep:
                down(request.folder)
        return
    yield connection


@contextmanager
def _logs(connection: Connection, report_dir: Path, console: Console) -> Iterator[Callable[[], None]]:
    """Yields what copies the cluster's logs beside the report, for they may end with the cluster; an error does too."""

    def keep() -> None:
        kept = report_dir / "logs"
        with suppress(OSError):  # what the user wants to read is what went wrong before
            shutil.copytree(connection.logs, kept, dirs_exist_ok=True)
            console.print(f"logs of the cluster and of its pods: {kept}", soft_wrap=True, highlight=False)

    try:
        yield keep
    except SlipwayError as exc:
        if not isinstance(exc, RehearsalScenarioError | StoreError):  # these came before anything ran
            keep()
        raise
    finally:
        with suppress(OSError):
            report_dir.rmdir()  # of a rehearsal that did not come to write anything
