"""The result of a rehearsal: the contents of `report.json`.

    result = read_result(Path("runs/rehearsal/step-…/report.json"))
    result.verdict.outcome                                    # "PASS"

It includes the load test's result, with the histograms of every second.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from loadtest.output_file import write_output
from loadtest.result.run_result import REPORT, Result, read_report
from rehearsal.errors import RehearsalReportError, RehearsalReportUnreadable
from rehearsal.experiment.result.observations import Observations
from rehearsal.experiment.scenario.schema import RehearsalScenario
from slipway.verdict import Value, Verdict

__all__ = [
    "AssertionResult",
    "RehearsalMetrics",
    "RehearsalResult",
    "Rehearsed",
    "read_result",
    "write_result",
]


class AssertionResult(Value):
    """One assertion with its result.

    Attributes:
        name: Unique name of the check.
        expected: Expected value, with units.
        got: Observed value, with units.
        passed: Whether the assertion holds.
        sentence: What was checked, and how.
    """

    name: str
    expected: str
    got: str
    passed: bool
    sentence: str


class RehearsalMetrics(Value):
    """Metrics of the measured window.

    Attributes:
        window_s: Its length.
        due: Requests that were due in it.
        answered: Requests that were answered correctly and in time.
        failed: The other requests.
        p50_ms: Latency of answered requests, due to answered.
        p99_ms: Likewise.
        slo_violation_s: Seconds in which fewer than 99 % of the due requests were answered within the objective.
        asked_s: Seconds from the largest jump of the load until more replicas were requested; None if they never were,
            or the load never rises.
        nodes_ready_s: Second in which the last GPU node that the load needs was ready; None: never, or from the start.
        recovered_s: Second from which the objective was met until the end, after its last violation; None: never.
        most_wanted: Largest number of requested replicas.
        most_ready: Largest number of ready replicas.
        gpu_s: Billed GPU-seconds: each node from its request until its removal.
        gpu_cost: Their price.
        oracle_gpu_s: GPU-seconds of an oracle that knew the load and requested each node in time, by capacity alone.
        oracle_cost: Their price, at the cheapest node type that was used.
        boot_s: Mean time from the request of a node until it was ready, for nodes requested under load; 0 if none.
    """

    window_s: float
    due: int
    answered: int
    failed: int
    p50_ms: float
    p99_ms: float
    slo_violation_s: int
    asked_s: float | None
    nodes_ready_s: float | None
    recovered_s: float | None
    most_wanted: int
    most_ready: int
    gpu_s: float
    gpu_cost: float
    oracle_gpu_s: float
    oracle_cost: float
    boot_s: float


class Rehearsed(Value):
    """The rehearsed chart and programs.

    Attributes:
        values: Merged values of the chart, as passed to Helm.
        programs: Version by program of the control plane.
        source: The published version that was served.
    """

    values: Mapping[str, Any]
    programs: Mapping[str, str]
    source: str


class RehearsalResult(Value):
    """The complete result of one rehearsal.

    Attributes:
        format: Version of this format; 1.
        name: Name of the scenario.
        scenario: The scenario with overrides applied.
        command: Command that repeats the run.
        started: Start of the measured window, UTC.
        partial: It was interrupted.
        rehearsed: Chart values and programs.
        verdict: The verdict.
        figures: Metrics of the measured window.
        load: Result of the load test.
        observed: Observations of the cluster.
        notes: Remarks on the conditions of the measurement.
    """

    format: Literal[1] = 1
    name: str
    scenario: RehearsalScenario
    command: str
    started: datetime
    partial: bool
    rehearsed: Rehearsed
    verdict: Verdict[AssertionResult]
    figures: RehearsalMetrics
    load: Result
    observed: Observations
    notes: tuple[str, ...]


def read_result(path: Path) -> RehearsalResult:
    """Read a report.

    Args:
        path: A `report.json`, or the folder that holds it.

    Raises:
        RehearsalReportUnreadable: It is missing, or not a report of a rehearsal.
    """
    return read_report(path, RehearsalResult, command="slipway rehearse", error=RehearsalReportUnreadable)


def write_result(result: RehearsalResult, folder: Path) -> Path:
    """Write report.json; returns its path.

    Raises:
        RehearsalReportError: The folder cannot be created or written, or the disk is full.
    """
    path = folder / REPORT
    write_output(path, result.model_dump_json(indent=1), other="--report-dir", error=RehearsalReportError)
    return path
