"""Run `slipway rehearse SCENARIO`: read files, provide a cluster, write the report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console

from loadtest.output_file import refuse_to_overwrite
from loadtest.result.run_result import REPORT
from rehearsal.cluster.commands import bring_up
from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.controlplane.lifecycle import down, running
from rehearsal.cluster.controlplane.spec import exclusive_rehearsal
from rehearsal.cluster.nodes.pools import Nodes, load_nodes
from rehearsal.errors import NoCluster, RehearsalReportError, RehearsalScenarioError, StoreError
from rehearsal.experiment.report import PAGE
from rehearsal.experiment.report.terminal_summary import print_summary
from rehearsal.experiment.result.result import RehearsalResult
from rehearsal.experiment.run.chart_values import check_values, merge_values, read_values
from rehearsal.experiment.run.context import RehearsalPlan
from rehearsal.experiment.run.helm_release import require_chart
from rehearsal.experiment.run.model_store import find_source
from rehearsal.experiment.run.node_pools import check_gpu_limit
from rehearsal.experiment.run.rehearse import rehearse
from rehearsal.experiment.scenario.schema import RehearsalScenario, load_scenario
from slipway.errors import SlipwayError
from slipway.platform.signals import signals_as_interrupt

__all__ = ["RehearsalRequest", "new_report_folder", "run_rehearsal"]

_NODES = "karpenter"


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalRequest:
    """A rehearsal as requested on a command line.

    Attributes:
        scenario: A shipped scenario's name, or a file's path.
        overrides: Values in YAML by dotted key.
        values: Values files of the chart; later ones override earlier ones.
        nodes: Node types of a new cluster; None for the scenario's.
        repository: Model repository.
        chart: Folder of the serving chart.
        folder: Working folder of the cluster.
        keep: Keep a cluster that was started for this rehearsal.
        report_dir: Folder for the report; None for a new one below runs/rehearsal.
        force: Overwrite an existing report.
        command: Command that repeats the rehearsal.
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


def run_rehearsal(request: RehearsalRequest, console: Console) -> RehearsalResult:
    """Rehearse, and print the result. Call it in the main thread, which handles Ctrl-C, SIGTERM and SIGHUP.

    Raises:
        RehearsalError: It could not be carried out; a cluster that was started for it has been removed.
        LoadTestError: The load test failed.
    """
    scenario = load_scenario(request.scenario, request.overrides)
    values: dict[str, Any] = reduce(merge_values, map(read_values, request.values), {})
    nodes_name = request.nodes or scenario.nodes.file
    nodes = load_nodes(nodes_name or _NODES)
    _check(request, scenario, values)
    with (
        signals_as_interrupt(),
        _cluster(request, scenario, nodes, console) as connection,
        exclusive_rehearsal(connection.folder),
    ):
        if nodes_name and connection.nodes != nodes:
            option = "--nodes" if request.nodes else f"{request.scenario}: nodes.file"
            raise RehearsalScenarioError(
                f"{option} {nodes_name}: the running cluster in {request.folder} has other node types "
                f"({connection.nodes.description}); end it with `slipway cluster down`, choose another --folder, or "
                "omit this option"
            )
        plan = RehearsalPlan(
            name=Path(request.scenario).stem,
            scenario=scenario,
            command=request.command,
            values=values,
            chart=request.chart,
            repository=request.repository,
        )
        report_dir = request.report_dir or new_report_folder(request.scenario)
        with _logs(connection, report_dir, console) as keep:
            result = rehearse(plan, connection, console=console, report_dir=report_dir)
            print_summary(result, report_dir / PAGE, console)
            if result.verdict.outcome != "PASS":
                keep()
    return result


def _check(request: RehearsalRequest, scenario: RehearsalScenario, values: Mapping[str, Any]) -> None:
    """Check everything that needs no cluster before the build, which takes half an hour."""
    if request.report_dir is not None:
        for name in (REPORT, PAGE):
            refuse_to_overwrite(request.report_dir / name, other="--report-dir", force=request.force)
    require_chart(request.chart)
    find_source(request.repository)
    check_values(scenario, values)


@contextmanager
def _cluster(
    request: RehearsalRequest, scenario: RehearsalScenario, nodes: Nodes, console: Console
) -> Iterator[ClusterConnection]:
    """The running cluster, or a temporary one."""
    try:
        connection = running(request.folder)
    except NoCluster:
        check_gpu_limit(scenario, nodes)
        connection = bring_up(request.folder, nodes, console, owner_pid=None if request.keep else os.getpid())
        try:
            yield connection
        finally:
            if not request.keep:
                down(request.folder)
        return
    yield connection


@contextmanager
def _logs(connection: ClusterConnection, report_dir: Path, console: Console) -> Iterator[Callable[[], None]]:
    """Yields a function that copies the cluster's logs beside the report, before the cluster removes them.

    They are also copied after an error.
    """

    def keep() -> None:
        copy = report_dir / "logs"
        with suppress(OSError):  # must not hide the original error
            shutil.copytree(connection.logs, copy, dirs_exist_ok=True)
            console.print(f"logs of the cluster and of its pods: {copy}", soft_wrap=True, highlight=False)

    try:
        yield keep
    except SlipwayError as exc:
        if not isinstance(exc, RehearsalScenarioError | StoreError):  # raised before anything was started
            keep()
        raise
    finally:
        with suppress(OSError):
            report_dir.rmdir()  # empty if nothing was written


def new_report_folder(name: str) -> Path:
    """Create a new folder below runs/rehearsal; concurrent calls get different ones.

    Raises:
        RehearsalReportError: It cannot be created.
    """
    base = Path("runs/rehearsal") / f"{Path(name).stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    for number in count(1):
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as exc:
            raise RehearsalReportError(
                f"{folder} cannot be created: {exc.strerror}; choose another with --report-dir"
            ) from exc
        return folder
    raise AssertionError
