"""The load of a rehearsal and its progress: `slipway loadtest` with a scenario written for it, against the gateway."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from loadtest.engine.request import RunRequest
from loadtest.errors import GeneratorError, RunRefused, ScenarioError
from loadtest.output_file import write_output
from loadtest.report.formatting import short_milliseconds
from loadtest.result.run_result import Result
from loadtest.run import LoadBar, follow_run
from loadtest.scenario.schema import check_scenario
from rehearsal.cluster.connection import ClusterConnection
from rehearsal.errors import RehearsalError, RehearsalReportError
from rehearsal.experiment.result.observations import Sample
from rehearsal.experiment.run.chart_values import MODEL, STORE
from rehearsal.experiment.scenario.schema import RehearsalScenario

__all__ = ["LoadProgress", "load_document", "load_line", "offer_load"]

_EVERY_S = 15


def load_document(scenario: RehearsalScenario, gateway_url: str) -> dict[str, Any]:
    """The load test's scenario, as its YAML would have it."""
    load = scenario.load
    return {
        "description": scenario.description,
        "target": {
            "url": f"{load.protocol}://{gateway_url.partition('://')[2]}",
            "model": MODEL,
            "timeout_s": load.timeout_s,
            # Replicas come and go: Prometheus reads their metrics.
            "metrics_url": None,
        },
        "payload": {"batches": [{"images": load.images}]},
        "arrivals": load.arrivals.model_dump(mode="json", exclude_none=True),
        "warmup_s": load.warmup_s,
        "seed": load.seed,
        # The rehearsal has its own verdict. A missed p99 makes the load test check whether its generator was saturated.
        "slo": {"p99_ms": scenario.slo.p99_ms, "error_rate": 1.0},
        "correctness": {"check_share": load.check_share},
        "generator": {"max_in_flight": scenario.max_in_flight, "max_lag_ms": load.max_lag_ms},
    }


def offer_load(
    scenario: RehearsalScenario,
    connection: ClusterConnection,
    *,
    folder: Path,
    follow: Callable[[Mapping[str, Any], float], None],
) -> Result:
    """Offer the whole load, and return when it is over. Call it in the main thread, for Ctrl-C.

    Args:
        scenario: Scenario of the rehearsal.
        connection: The cluster.
        folder: For the load test's own scenario and report.
        follow: Called once a second with a message of the load test, and the Unix time at which the measured window
            begins, in seconds.

    Raises:
        RehearsalError: It could not begin, or ended without a report.
    """
    file = folder / "scenario.yaml"
    document = load_document(scenario, connection.gateway_url)
    write_output(file, yaml.safe_dump(document, sort_keys=False), other="--report-dir", error=RehearsalReportError)
    try:
        load = check_scenario(document, where=str(file))
    except ScenarioError as exc:
        raise RehearsalError(f"the load could not begin: {exc}") from exc
    request = RunRequest(
        name=file.stem,
        scenario=load,
        repository=connection.model_store / STORE,
        report_dir=folder,
        junit=None,
        command=f"slipway loadtest {file}",
        page=False,
        force=True,  # the rehearsal's own folder, checked before
    )
    window_start_s = float("inf")

    def tell(message: Mapping[str, Any]) -> None:
        nonlocal window_start_s
        # The message was late rather than early, so the earliest guess is the best.
        window_start_s = min(window_start_s, time.time() - message["second"])
        follow(message, window_start_s)

    try:
        return follow_run(request, processes=1, tell=tell)[0]
    except GeneratorError as exc:
        raise RehearsalError(str(exc)) from exc
    except RunRefused as exc:
        raise RehearsalError(f"the load could not begin: {exc}") from exc


class LoadProgress(LoadBar):
    """A bar on a terminal; otherwise a line at intervals."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, description="load", width=18)
        self._next_s = -float("inf")

    def show(self, message: Mapping[str, Any], sample: Sample | None) -> None:
        """Show a message of the load test; a line is printed once enough of the load's own time has passed."""
        line = load_line(message, sample)
        if self._console.is_terminal:
            self.move(message, metrics=line)
            return
        second = message["second"]
        if second < self._next_s:
            return
        self._next_s = second + _EVERY_S
        self._print(f"load: second {second:.0f} of {message['window_s']:.0f}  {line}")


def load_line(message: Mapping[str, Any], sample: Sample | None) -> str:
    """One line, from the load test's message and the newest sample of the cluster."""
    if message["second"] < 0:
        parts = ["warming up"]
    else:
        parts = [f"{message['offered_rps']:,}/s", f"p99 {short_milliseconds(message['p99_ms'])} ms"]
        if message["errors"]:
            parts.append(f"[red]{message['errors']:,} failed[/]")
    if sample is not None and sample.wanted is not None:
        parts.append(f"replicas {sample.ready or 0}/{sample.wanted}")
    if sample is not None:
        firing = sorted({alert.name for alert in sample.alerts or () if alert.state == "firing"})
        parts += [f"[yellow]{name}[/]" for name in firing]
        parts += [f"[red]no {gap}[/]" for gap in sample.gaps]
    return "  ".join(parts)
