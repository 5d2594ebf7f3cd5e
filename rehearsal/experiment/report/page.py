"""Render the report, and write both files atomically."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from plotly.offline import get_plotlyjs

from loadtest.output_file import write_output
from loadtest.report.formatting import milliseconds, number
from rehearsal.errors import RehearsalReportError
from rehearsal.experiment.report.timeline import timeline
from rehearsal.experiment.result.observations import Event
from rehearsal.experiment.result.result import RehearsalResult, write_result
from slipway.platform.pages import render_page
from slipway.verdict import MARKS

__all__ = ["PAGE", "render_report", "write_report"]

PAGE = "report.html"
MOST_EVENTS = 200
_TEMPLATES = Path(__file__).parent / "templates"


def write_report(result: RehearsalResult, folder: Path) -> Path:
    """Write `report.json` and `report.html`.

    Args:
        result: The rehearsal.
        folder: Created if missing.

    Returns:
        The page's path.

    Raises:
        RehearsalReportError: The folder cannot be created or written, or the disk is full.
    """
    write_result(result, folder)
    page = folder / PAGE
    write_output(page, render_report(result), other="--report-dir", error=RehearsalReportError)
    return page


def render_report(result: RehearsalResult) -> str:
    """The page as text."""
    return render_page(
        _TEMPLATES,
        PAGE,
        filters={"ms": milliseconds, "number": number, "seconds": _seconds, "money": _money},
        result=result,
        mark=MARKS[result.verdict.outcome],
        chart=timeline(result),
        events=_shown_events(result.observed.events),
        more_events=max(0, len(result.observed.events) - MOST_EVENTS),
        values=_yaml(result.rehearsed.values),
        scenario=_yaml(
            result.scenario.model_dump(
                mode="json", exclude_none=True, exclude_defaults=True, exclude={"load": {"arrivals": {"points"}}}
            )
        ),
        plotly_js=get_plotlyjs(),
    )


def _shown_events(events: Sequence[Event]) -> list[Event]:
    """The events in order of time; of too many, the least important are left out."""
    if len(events) <= MOST_EVENTS:
        return list(events)
    weight = {"action": 0, "autoscaler": 1, "node": 1, "program": 1}
    chosen = sorted(events, key=lambda event: (weight.get(event.kind, 2), not event.warning, event.at_s))[:MOST_EVENTS]
    return sorted(chosen, key=lambda event: event.at_s)


def _yaml(document: Mapping[str, object]) -> str:
    text: str = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)
    return text


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{number(round(value, 1))} s"


def _money(value: float) -> str:
    return f"{value:.4f}" if value < 1 else f"{value:,.2f}"
