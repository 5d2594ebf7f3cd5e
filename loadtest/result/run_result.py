"""Command and master: what a run came to. `report.json` is this, for machines; `report.html` shows it to people.

    result = read_result(Path("runs/loadtest/smoke-…/report.json"))
    result.verdict.outcome                                    # "PASS"
    result.window_histogram("latency").percentile_ns(99)

It contains the histograms of every second, so that reports can be merged and compared later.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from loadtest.errors import ReportUnreadable
from loadtest.output_file import write_output
from loadtest.result.histogram import LatencyHistogram
from loadtest.result.metrics import GeneratorMetrics, HistogramName, SecondRow, ServerMetrics, WindowMetrics
from loadtest.scenario.schema import Scenario
from slipway.errors import SlipwayError
from slipway.printable import printable
from slipway.verdict import Check, Environment, TargetFacts, Value, Verdict

__all__ = ["PAGE", "REPORT", "Result", "read_report", "read_result", "write_result"]

ReportT = TypeVar("ReportT", bound=BaseModel)

REPORT, PAGE = "report.json", "report.html"
_LONGEST_BYTES = 1 << 30  # a soak of a day at full rate has some 300 MB


class Result(Value):
    """The complete result of one run.

    Attributes:
        format: Version of this format; 1.
        name: Name of the scenario.
        scenario: The scenario with overrides applied.
        command: Command that repeats the run.
        started: UTC.
        partial: It was interrupted; the window ends there.
        target: The target server.
        verdict: The verdict.
        figures: The metrics of the measured window.
        generator: Metrics of the load generator.
        server: None if the server's metrics were not read; `notes` then says why.
        environment: The machine of the generator.
        notes: Remarks on the conditions of the measurement.
        metrics_doubt: Why metrics were read but discarded; empty otherwise.
        seconds: All seconds of the run, including the warm-up.
    """

    format: Literal[1] = 1
    name: str
    scenario: Scenario
    command: str
    started: datetime
    partial: bool
    target: TargetFacts
    verdict: Verdict[Check]
    figures: WindowMetrics
    generator: GeneratorMetrics
    server: ServerMetrics | None
    environment: Environment
    notes: tuple[str, ...]
    metrics_doubt: str = ""
    seconds: tuple[SecondRow, ...]

    def window_histogram(self, name: HistogramName) -> LatencyHistogram:
        """All values of the measured window."""
        return LatencyHistogram.merged(row.histogram(name) for row in self.seconds if row.measured)


def read_result(path: Path) -> Result:
    """Read a report.

    Raises:
        ReportUnreadable: It is missing, or not a report of a load test.
    """
    return read_report(path, Result, command="slipway loadtest", error=ReportUnreadable)


def read_report(path: Path, kind: type[ReportT], *, command: str, error: type[SlipwayError]) -> ReportT:
    """Read a `report.json`.

    Args:
        path: The file, or the folder that holds it.
        kind: Type of the report.
        command: The command that writes such reports, for the message.
        error: Raised if it is missing or invalid.
    """
    if path.is_dir():
        path = path / REPORT
    try:
        size = path.stat().st_size
        if not path.is_file() or size > _LONGEST_BYTES:
            raise error(f"{path}: not a report of {command}: expected a file of at most {_LONGEST_BYTES:,} bytes")
        return kind.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise error(f"{path}: cannot be read: {exc.strerror}; expected a report.json of {command}") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise error(f"{path}: not a report of {command}: {printable(where)}: {printable(first['msg'])}") from exc


def write_result(result: Result, folder: Path) -> Path:
    """Write report.json; returns its path.

    Raises:
        ReportError: The folder cannot be created or written, or the disk is full.
    """
    path = folder / REPORT
    write_output(path, result.model_dump_json(indent=1), other="--report-dir")
    return path
