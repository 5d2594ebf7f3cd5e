"""Command and master: the report of a run: one page that needs no other file and no network.

page = write_report(result, Path("runs/loadtest/smoke-1"))     # report.json, report.html
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from plotly.offline import get_plotlyjs

from loadtest.output_file import write_output
from loadtest.report.chart_style import Chart
from loadtest.report.formatting import margin, measured, milliseconds, number
from loadtest.report.latency_charts import Windows, distribution, percentile_curves
from loadtest.report.server_charts import time_chart, time_parts, usage_chart
from loadtest.report.timeline import over_time
from loadtest.result.metrics import Percentiles
from loadtest.result.run_result import PAGE, Result, write_result
from loadtest.scenario.arrivals import ClosedArrivals
from loadtest.scenario.sample_size import fewest_requests
from slipway.platform.pages import render_page
from slipway.verdict import MARKS

__all__ = ["PAGE", "render_report", "write_report"]

_TEMPLATES = Path(__file__).parent / "templates"

_PERCENTS = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """A cell of the percentile table; `thin`: from fewer requests than the percentile needs."""

    text: str
    thin: bool


def write_report(result: Result, folder: Path) -> Path:
    """Write `report.json` and `report.html`, each atomically.

    Args:
        result: The run.
        folder: Created if missing.

    Returns:
        The page's path.

    Raises:
        ReportError: The folder cannot be created or written, or the disk is full.
    """
    write_result(result, folder)
    page = folder / PAGE
    write_output(page, render_report(result), other="--report-dir")
    return page


def render_report(result: Result) -> str:
    """The page as text."""
    server = result.server
    parts = time_parts(result)
    return render_page(
        _TEMPLATES,
        PAGE,
        filters={"ms": milliseconds, "number": number, "margin": margin, "measured": measured},
        result=result,
        mark=MARKS[result.verdict.outcome],
        summary=_summary(result),
        client_charts=_client_charts(result),
        time_chart=time_chart(parts, server_read=server is not None),
        time_parts=parts,
        time_total_ms=sum(part.mean_ms for part in parts),
        usage_chart=usage_chart(server.usage) if server is not None and server.usage else None,
        percentiles=_percentile_rows(result),
        scenario=yaml.safe_dump(
            result.scenario.model_dump(mode="json", exclude_none=True, exclude={"arrivals": {"points"}}),
            sort_keys=False,
            allow_unicode=True,
        ),
        plotly_js=get_plotlyjs(),
    )


def _client_charts(result: Result) -> list[Chart]:
    charts = [over_time(result)]
    if result.figures.answered:
        windows = Windows.of(result)
        charts += [percentile_curves(result, windows), distribution(result, windows)]
    return charts


def _summary(result: Result) -> str:
    target, figures, arrivals = result.target, result.figures, result.scenario.arrivals
    if isinstance(arrivals, ClosedArrivals):
        load = f"{arrivals.users:,} users who wait for each answer made {number(figures.offered_rps)} requests/s"
    else:
        load = f"{number(figures.offered_rps)} requests/s were offered"
    return (
        f"{result.scenario.description}: {load} to {target.model} version {target.version} at {target.url} over "
        f"{number(figures.window_s)} s, {figures.due:,} requests in all."
    )


def _percentile_rows(result: Result) -> dict[str, list[_Cell]]:
    figures = result.figures
    return {
        "latency, from due": _cells(figures.latency_ms, figures.answered),
        "service, from sent": _cells(figures.service_ms, figures.answered),
        "generator's lag": _cells(figures.lag_ms, figures.due),
    }


def _cells(row: Percentiles, requests: int) -> list[_Cell]:
    if not requests:
        return [_Cell(text="none", thin=False)] * (len(_PERCENTS) + 2)
    named = [
        _Cell(text=milliseconds(getattr(row, name)), thin=requests < fewest_requests(percent))
        for name, percent in _PERCENTS.items()
    ]
    ends = [_Cell(text=milliseconds(value), thin=False) for value in (row.mean, row.max)]
    return [ends[0], *named, ends[1]]
