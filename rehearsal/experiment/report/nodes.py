"""GPU nodes over time, and what they cost: two rows of the timeline."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from loadtest.report.chart_style import colour
from rehearsal.experiment.judge.evidence import gpus_per_replica, needed_over_time
from rehearsal.experiment.result.result import RehearsalResult

__all__ = ["draw_nodes"]


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
