"""The result of a rehearsal. `report.json` is this, for machines; `report.html` shows it to people.

    result = read_result(Path("runs/rehearsal/step-…/report.json"))
    result.verdict.outcome                                    # "PASS"

The load test's own result is inside, with the histograms of every second.
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
        name: Of the check, with what tells two of one name apart.
        expected: In a few words, with units.
        got: Likewise.
        passed: It holds.
        sentence: What was checked and how.
    """

    name: str
    expected: str
    got: str
    passed: bool
    sentence: str


class RehearsalMetrics(Value):
    """The measured window in numbers.

    Attributes:
        window_s: Its length.
        due: Requests that were due in it.
        answered: Those that were answered rightly in time.
        failed: The others.
        p50_ms: Of the answered, from due to answered.
        p99_ms: Likewise.
        slo_violation_s: Seconds in which fewer than 99 % of the due requests were answered within the objective.
        asked_s: Seconds from the largest jump of the load until more replicas were asked for; None: they never were,
            or the load never rises.
        nodes_ready_s: Second in which the last GPU node that the load needs was ready; None: never, or there at once.
        recovered_s: Second from which the objective held to the end, after its last violation; None: it did not.
        most_wanted: Most replicas that were asked for.
        most_ready: Most replicas that were ready.
        gpu_s: GPU-seconds that were paid for: each node from when it was asked for until it was gone.
        gpu_cost: Their price.
        oracle_gpu_s: GPU-seconds of an oracle that knew the load and requested each node in time, by capacity alone.
        oracle_cost: Their price, at the cheapest node type that was used.
        boot_s: Mean time from asking for a node until it was ready, of those ordered under load; 0: there was none.
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
    """What was rehearsed.

    Attributes:
        values: Of the chart, merged: what Helm was given.
        programs: Version by program of the control plane.
        source: The published version whose network was served.
    """

    values: Mapping[str, Any]
    programs: Mapping[str, str]
    source: str


class RehearsalResult(Value):
    """Everything that is known of one rehearsal.

    Attributes:
        format: Of this document; 1.
        name: Of the scenario.
        scenario: As it was run, overrides included.
        command: Repeats it.
        started: Start of the measured window, UTC.
        partial: It was interrupted.
        rehearsed: Chart values and programs.
        verdict: The answer.
        figures: The window in numbers.
        load: What the load test measured.
        observed: Observations of the cluster.
        notes: What a reader should know before believing the figures.
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
        RehearsalReportUnreadable: It is missing, or no report of a rehearsal.
    """
    return read_report(path, RehearsalResult, command="slipway rehearse", error=RehearsalReportUnreadable)


def write_result(result: RehearsalResult, folder: Path) -> Path:
    """Write the report for machines; its path.

    Raises:
        RehearsalReportError: The folder cannot be made or written, or the disk is full.
    """
    path = folder / REPORT
    write_output(path, result.model_dump_json(indent=1), other="--report-dir", error=RehearsalReportError)
    return path
