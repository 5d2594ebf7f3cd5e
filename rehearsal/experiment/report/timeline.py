"""The chart of a rehearsal: load, latency, replicas, GPU nodes, price and events, on one time axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from loadtest.report.chart_style import FINEST_MS, OBJECTIVE, Chart, colour, log_axis, quiet_line, styled
from loadtest.report.timeline import Point, interval_s, points
from rehearsal.experiment.judge.evidence import gpus_per_replica, needed_over_time, slo_seconds
from rehearsal.experiment.report.lanes import Lanes, draw_lanes
from rehearsal.experiment.result.result import RehearsalResult

__all__ = ["timeline"]

_ROWS = {
    "requests/s": 150,
    "latency, ms": 170,
    "replicas": 120,
    "GPU nodes": 120,
    "price, dollars per hour": 80,
}
_LANE_PX = 34
_GAP_PX = 34


def timeline(result: RehearsalResult) -> Chart:
    """The complete chart."""
    lanes = Lanes.of(result)
    heights = [*_ROWS.values(), _LANE_PX * max(1, len(lanes.names))]
    total_px = sum(heights) + _GAP_PX * len(heights) + 30
    figure = make_subplots(
        rows=len(heights),
        shared_xaxes=True,
        row_heights=[height / sum(heights) for height in heights],
        vertical_spacing=_GAP_PX / total_px,
    )
    begin_s, end_s = _span_s(result)
    drawn = points(result.load, interval_s(result.load.seconds))
    _draw_load(figure, drawn, row=1)
    _draw_latency(figure, result, drawn, (begin_s, end_s), row=2)
    _draw_replicas(figure, result, row=3)
    draw_nodes(figure, result, (begin_s, end_s), rows=(4, 5))
    draw_lanes(figure, lanes, (begin_s, end_s), row=6)
    styled(figure, height_px=total_px)
    figure.update_layout(hovermode="x", margin={"t": 24})
    figure.update_xaxes(range=[begin_s, end_s], zeroline=False)
    figure.update_xaxes(title_text="seconds of the measured window", tickformat=",", row=len(heights), col=1)
    for row, name in enumerate([*_ROWS, "what happened"], start=1):
        _name_row(figure, name, row)
    for row in (1, 3, 4, 5):
        figure.update_yaxes(rangemode="tozero", tickformat=",~r", row=row, col=1)
    for row in (3, 4):
        figure.update_yaxes(tickformat=",d", row=row, col=1)
    figure.update_yaxes(log_axis(_latency_values(result, drawn)), row=2, col=1)
    _mark_moments(figure, result, begin_s)
    return Chart(
        name="timeline", figure=figure, title="Load, latency, replicas and GPU nodes", caption=_caption(result)
    )


def _draw_load(figure: go.Figure, drawn: Sequence[Point], *, row: int) -> None:
    lines: dict[str, tuple[list[float | None], dict[str, Any], str | None]] = {
        "offered": ([point.due_rps for point in drawn], {"color": "var(--quiet)", "width": 1.2}, "tozeroy"),
        "answered": ([point.answered_rps for point in drawn], {"color": colour(3), "width": 2.2}, None),
        "failed": ([point.failed_rps for point in drawn], {"color": colour(6), "width": 2.2, "dash": "dash"}, None),
    }
    for name, (values, line, fill) in lines.items():
        figure.add_scatter(
            x=[point.middle_s for point in drawn], y=values, name=name, mode="lines", line=line, fill=fill,
            fillcolor="var(--shade)", hovertemplate="%{y:,.4~r}/s", row=row, col=1,
        )  # fmt: skip


def _draw_latency(
    figure: go.Figure, result: RehearsalResult, drawn: Sequence[Point], span_s: tuple[float, float], *, row: int
) -> None:
    for name, percent, index in (("p99, from due", 99.0, 2), ("p50, from due", 50.0, 1)):
        figure.add_scatter(
            x=[point.middle_s for point in drawn],
            y=[_latency_ms(point, percent) for point in drawn],
            name=name,
            mode="lines",
            line={"color": colour(index), "width": 2.2},
            hovertemplate="%{y:,.3~r} ms",
            row=row,
            col=1,
        )
    bound_ms = result.scenario.slo.p99_ms
    line = quiet_line("dash", OBJECTIVE)
    figure.add_scatter(
        x=list(span_s), y=[bound_ms] * 2, name=f"objective p99 ≤ {bound_ms:g} ms", mode="lines", line=line,
        hoverinfo="skip", row=row, col=1,
    )  # fmt: skip
    # Plotly leaves shapes out of a row that has no line yet.
    for begin_s, end_s in _outside(result):
        figure.add_vrect(
            x0=begin_s, x1=end_s, fillcolor="var(--bad)", opacity=0.14, line_width=0, layer="below", row=row, col=1
        )


def _draw_replicas(figure: go.Figure, result: RehearsalResult, *, row: int) -> None:
    samples = result.observed.samples
    for name, values, line, fill in (
        ("ready", [sample.ready for sample in samples], {"color": colour(3), "width": 2.2}, "tozeroy"),
        ("requested", [sample.wanted for sample in samples], {"color": colour(4), "width": 2.0, "dash": "dash"}, None),
    ):
        figure.add_scatter(
            x=[sample.at_s for sample in samples], y=values, name=f"replicas {name}", mode="lines",
            line={**line, "shape": "hv"}, fill=fill, fillcolor="var(--shade)", hovertemplate="%{y}", row=row, col=1,
        )  # fmt: skip


def _outside(result: RehearsalResult) -> list[tuple[float, float]]:
    """Spans of seconds that were outside the objective, neighbours joined."""
    spans: list[tuple[float, float]] = []
    for row in slo_seconds(result.scenario, result.load):
        if row.inside:
            continue
        if spans and spans[-1][1] == row.second:
            spans[-1] = (spans[-1][0], row.second + 1.0)
        else:
            spans.append((float(row.second), row.second + 1.0))
    return spans


def _mark_moments(figure: go.Figure, result: RehearsalResult, begin_s: float) -> None:
    """Lines through all rows at jumps of the load and at actions of the scenario; the warm-up is shaded."""
    profile = result.scenario.load.arrivals.profile
    jumps = {b_s for (a_s, a_rps), (b_s, b_rps) in pairwise(profile) if a_s == b_s and a_rps != b_rps}
    moments = jumps | {event.at_s for event in result.observed.events if event.kind == "action"}
    for at_s in sorted(moment for moment in moments if moment >= begin_s):
        figure.add_vline(x=at_s, line={"color": "var(--quiet)", "width": 1, "dash": "dot"}, layer="below")
    if begin_s < 0:
        figure.add_vrect(x0=begin_s, x1=0, fillcolor="var(--shade)", line_width=0, layer="below")


def _name_row(figure: go.Figure, name: str, row: int) -> None:
    """Row title above the row on the left, which fits narrow screens."""
    number = "" if row == 1 else str(row)
    figure.add_annotation(
        x=0, y=1, xref="paper", yref=f"y{number} domain", xanchor="left", yanchor="bottom", yshift=3, text=name,
        showarrow=False, font={"size": 12, "color": "var(--quiet)"},
    )  # fmt: skip


def _span_s(result: RehearsalResult) -> tuple[float, float]:
    """From the last ten seconds of the warm-up to the end of the window, or of later observations."""
    begin_s = max(-10.0, -result.scenario.load.warmup_s)
    last_s = max((sample.at_s for sample in result.observed.samples), default=0.0)
    return begin_s, max(1.0, result.figures.window_s, last_s)


def _latency_values(result: RehearsalResult, drawn: Sequence[Point]) -> list[float | None]:
    values = [_latency_ms(point, percent) for point in drawn for percent in (50.0, 99.0)]
    return [*values, result.scenario.slo.p99_ms]


def _latency_ms(point: Point, percent: float) -> float | None:
    return max(point.latency.percentile_ns(percent) / 1e6, FINEST_MS) if point.latency.count else None


def _caption(result: RehearsalResult) -> str:
    return (
        "A request counts in the second in which it was due, so a wait shows where it began; a "
        "failed request has no latency and shows only as failed. Red background: seconds in which fewer than 99 % of "
        f"the requests were answered within {result.scenario.slo.p99_ms:g} ms. Dotted lines: jumps of the load, and "
        "actions of the scenario. A node is billed from its request; the thin line is an oracle that knew the load in "
        "advance."
    )


def draw_nodes(
    figure: go.Figure, result: RehearsalResult, span_s: tuple[float, float], *, rows: tuple[int, int]
) -> None:
    """Nodes that are ready and those that boot, above; their price below, with the oracle's in both."""
    nodes = result.observed.nodes
    begin_s, end_s = span_s
    moments = {begin_s, end_s}
    for node in nodes:
        moments |= {at_s for at_s in (node.asked_s, node.ready_s, node.lost_s, node.gone_s) if at_s is not None}
    x = sorted(at_s for at_s in moments if begin_s <= at_s <= end_s)
    ready = [sum(node.is_ready(at_s) for node in nodes) for at_s in x]
    existing = [sum(node.exists(at_s) for node in nodes) for at_s in x]
    price = [sum(node.price_per_hour for node in nodes if node.exists(at_s)) for at_s in x]
    _steps(figure, x, existing, "nodes, with booting", {"color": colour(2), "width": 1.6, "dash": "dash"}, row=rows[0])
    _steps(figure, x, ready, "nodes ready", {"color": colour(1), "width": 2.2}, row=rows[0], fill=True)
    _steps(figure, x, price, "price", {"color": colour(7), "width": 2.2}, row=rows[1], fill=True, unit=" per hour")
    oracle = list(needed_over_time(result.scenario, lead_s=result.figures.boot_s))
    taken = gpus_per_replica(result.rehearsed.values)
    if not (oracle and nodes and taken):
        return
    at = [begin for begin, _, _ in oracle] + [oracle[-1][1]]
    cheapest = min(nodes, key=lambda node: node.price_per_hour / node.gpus)
    on_one, each = max(1, cheapest.gpus // taken), cheapest.price_per_hour
    count = [math.ceil(needed / on_one) for _, _, needed in (*oracle, oracle[-1])]
    thin = {"color": "var(--ink)", "width": 1.0}
    _steps(figure, at, count, "nodes of an oracle", thin, row=rows[0])
    _steps(figure, at, [needed * each for needed in count], "price of an oracle", thin, row=rows[1], unit=" per hour")


def _steps(
    figure: go.Figure,
    x: list[float],
    y: list[int] | list[float],
    name: str,
    line: dict[str, object],
    *,
    row: int,
    fill: bool = False,
    unit: str = "",
) -> None:
    figure.add_scatter(
        x=x, y=y, name=name, mode="lines", line={**line, "shape": "hv"}, fill="tozeroy" if fill else None,
        fillcolor="var(--shade)", hovertemplate=f"%{{y:,.4~r}}{unit}", row=row, col=1,
    )  # fmt: skip
