"""Command and master: the chart of a run over time: what the client saw, and the load that caused it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from loadtest.report.chart_style import DASHES, FINEST_MS, OBJECTIVE, Chart, colour, log_axis, quiet_line, styled
from loadtest.report.formatting import percentile_name
from loadtest.result.histogram import LatencyHistogram
from loadtest.result.metrics import SecondRow
from loadtest.result.run_result import Result
from loadtest.scenario.sample_size import fewest_requests

__all__ = ["MOST_POINTS", "Point", "interval_s", "over_time", "points", "span_s"]

MOST_POINTS = 300
"""Most points of a line over time."""

_INTERVALS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Adjacent seconds as one point, `middle_s` from the start of the window; no rates if it is too short."""

    middle_s: float
    due_rps: float | None
    answered_rps: float | None
    failed_rps: float | None
    latency: LatencyHistogram


def over_time(result: Result) -> Chart:
    """Latency above the load, on one time axis."""
    each_s = interval_s(result.seconds)
    drawn_points = points(result, each_s)
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.66, 0.34], vertical_spacing=0.06)
    bounds = result.scenario.slo.latency_bounds_ms()
    drawn = _draw_latencies(figure, drawn_points)
    begin_s, end_s = span_s(result)
    for percent, bound_ms in bounds.items():
        name = f"objective {percentile_name(percent)} ≤ {bound_ms:g} ms"
        line = quiet_line(DASHES[percent], OBJECTIVE)
        figure.add_scatter(x=[begin_s, end_s], y=[bound_ms] * 2, name=name, mode="lines", line=line, row=1, col=1)
    _draw_rates(figure, drawn_points)
    styled(figure, height_px=560)
    figure.update_yaxes(log_axis([*drawn, *bounds.values()]), row=1, col=1)
    figure.update_yaxes(title_text="requests/s", rangemode="tozero", tickformat=",~r", row=2, col=1)
    figure.update_xaxes(range=[begin_s, end_s], zeroline=False)
    figure.update_xaxes(title_text="seconds of the measured window", tickformat=",", row=2, col=1)
    figure.update_layout(hovermode="x unified")
    if begin_s < 0:
        _shade_warmup(figure, begin_s, end_s)
    caption = _time_caption(each_s, begin_s, requests=result.figures.offered_rps * each_s)
    return Chart(name="over-time", figure=figure, title="Latency over time", caption=caption)


def _draw_latencies(figure: go.Figure, drawn_points: Sequence[Point]) -> list[float]:
    """Three lines; returns every value drawn, in milliseconds."""
    drawn: list[float] = []
    for name, percent, dash, index in (("max", 100.0, "dot", 4), ("p99", 99.0, "solid", 2), ("p50", 50.0, "solid", 1)):
        values = [
            max(point.latency.percentile_ns(percent) / 1e6, FINEST_MS) if point.latency.count else None
            for point in drawn_points
        ]
        drawn += [value for value in values if value is not None]
        figure.add_scatter(
            x=[point.middle_s for point in drawn_points],
            y=values,
            name=name,
            mode="lines+markers" if len(drawn_points) < 40 else "lines",
            marker={"size": 5, "symbol": {"max": "triangle-up", "p99": "square", "p50": "circle"}[name]},
            line={"color": colour(index), "dash": dash, "width": 1.5 if name == "max" else 2.2},
            hovertemplate="%{y:,.3~r} ms",
            row=1,
            col=1,
        )
    return drawn


def _draw_rates(figure: go.Figure, drawn_points: Sequence[Point]) -> None:
    x = [point.middle_s for point in drawn_points]
    lines = {
        "offered": ([point.due_rps for point in drawn_points], {"color": "var(--quiet)", "width": 1.2}, "tozeroy"),
        "answered": ([point.answered_rps for point in drawn_points], {"color": colour(3), "width": 2.2}, None),
        "failed": (
            [point.failed_rps for point in drawn_points],
            {"color": colour(6), "width": 2.2, "dash": "dash"},
            None,
        ),
    }
    for name, (values, line, fill) in lines.items():
        figure.add_scatter(
            x=x,
            y=values,
            name=name,
            mode="lines",
            line=line,
            fill=fill,
            fillcolor="var(--shade)",
            hovertemplate="%{y:,.4~r}/s",
            row=2,
            col=1,
        )


def _shade_warmup(figure: go.Figure, begin_s: float, end_s: float) -> None:
    narrow = -begin_s / (end_s - begin_s) < 0.04  # of the plot's width: too narrow for the label
    place: dict[str, str | int] = {
        "xanchor": "left" if narrow else "right",
        "text": "← warm-up" if narrow else "warm-up",
    }
    place["textangle"] = 0 if narrow else -90
    for row in (1, 2):
        figure.add_vrect(x0=begin_s, x1=0, fillcolor="var(--shade)", line_width=0, layer="below", row=row, col=1)
        figure.add_vline(x=0, line={"color": "var(--quiet)", "width": 1}, row=row, col=1)
    figure.add_annotation(
        x=0, y=1, yref="y domain", yanchor="top", showarrow=False, **place,
        font={"size": 11, "color": "var(--quiet)"}, row=1, col=1,
    )  # fmt: skip


def _time_caption(each_s: int, begin_s: float, *, requests: float) -> str:
    """Caption; `requests` is the approximate number of requests per point."""
    each = "each second" if each_s == 1 else f"every {each_s} seconds"
    warmup = "The shaded part before 0 is the warm-up, which no metric includes. " if begin_s < 0 else ""
    few = ""
    if requests < fewest_requests(99):
        few = "A point has too few requests for its own p99: read it as one of its slowest requests. "
    return (
        f"Median, p99 and slowest request of {each}, on a logarithmic scale; a request counts in the second in which "
        f"it was due. {warmup}{few}Below is the load: requests that were due, answered, and failed. A latency that "
        "climbs while the offered rate is flat is a queue that grows; a failed request has no latency and shows only "
        "below."
    )


def span_s(result: Result) -> tuple[float, float]:
    """Range of the time axis: the first and the last known second, without partial ones."""
    if not result.seconds:
        return 0.0, max(1.0, result.figures.window_s)
    first, last = result.seconds[0].second, result.seconds[-1].second
    return max(float(first), -result.scenario.warmup_s), float(max(last + 1, first + 1, result.figures.window_s))


def interval_s(rows: Sequence[SecondRow]) -> int:
    """Length of the interval with which a line has at most `MOST_POINTS` points."""
    length_s = rows[-1].second - rows[0].second + 1 if rows else 1
    return next((each for each in _INTERVALS_S if length_s / each <= MOST_POINTS), _INTERVALS_S[-1])


def points(result: Result, each_s: int) -> list[Point]:
    """Every interval from the first second to the last; one without data had no request."""
    if not result.seconds:
        return []
    begin_s, _ = span_s(result)
    last = result.seconds[-1].second
    # The last second is partial if the window's length is not an integer.
    end_s = min(last + 1.0, result.figures.window_s) if last < result.figures.window_s else last + 1.0
    parts: dict[int, list[SecondRow]] = {}
    for row in result.seconds:
        parts.setdefault(row.second // each_s, []).append(row)
    found = []
    for index in range(min(parts), max(parts) + 1):
        rows = parts.get(index, [])
        low, high = max(index * each_s, begin_s), min((index + 1) * each_s, end_s)
        length_s = high - low
        whole = length_s >= 0.5  # the rate of a shorter remainder is noise
        found.append(
            Point(
                middle_s=(low + high) / 2,
                due_rps=sum(row.due for row in rows) / length_s if whole else None,
                answered_rps=sum(row.answered for row in rows) / length_s if whole else None,
                failed_rps=sum(sum(row.errors.values()) for row in rows) / length_s if whole else None,
                latency=LatencyHistogram.merged(row.histogram("latency") for row in rows),
            )
        )
    return found
