"""Events in lanes below the curves: actions, autoscaler, nodes, replicas, and a lane for each alert."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Self

import plotly.graph_objects as go

from loadtest.report.chart_style import colour
from rehearsal.experiment.result.observations import Event, EventKind
from rehearsal.experiment.result.result import RehearsalResult

__all__ = ["Lanes", "draw_lanes"]

_LANES: dict[EventKind, str] = {
    "action": "the scenario",
    "autoscaler": "autoscaler",
    "node": "GPU nodes",
    "pod": "replicas",
    "program": "control plane",
}
_KINDS: dict[str, tuple[str, str, int]] = {
    "done by the scenario": ("diamond", "action", 9),
    "event": ("circle", "", 1),
    "warning": ("x", "", 5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """The lanes and their events.

    Attributes:
        names: Names of the lanes, from top to bottom.
        events: Events by lane.
        alerts: (lane, state, begin, end) in seconds; an end of None is the end of the chart.
    """

    names: tuple[str, ...]
    events: tuple[tuple[str, Event], ...]
    alerts: tuple[tuple[str, str, float, float | None], ...]

    @classmethod
    def of(cls, result: RehearsalResult) -> Self:
        """Only lanes with events."""
        events = [(_LANES[event.kind], event) for event in result.observed.events if event.kind in _LANES]
        alerts = [
            (f"alert {name}" + (f", {cause}" if cause else ""), state, begin_s, end_s)
            for (name, cause, state), spans in result.observed.alert_spans().items()
            for begin_s, end_s in spans
        ]
        used = {name for name, _ in events}
        names = [name for name in _LANES.values() if name in used]
        names += list(dict.fromkeys(lane for lane, *_ in alerts))
        return cls(names=tuple(names), events=tuple(events), alerts=tuple(alerts))


def draw_lanes(figure: go.Figure, lanes: Lanes, span_s: tuple[float, float], *, row: int) -> None:
    """Marks for events, bars for alerts; each lane contains its name, which fits narrow screens."""
    begin_s, end_s = span_s
    height = {name: len(lanes.names) - 1 - place for place, name in enumerate(lanes.names)}
    for name, (symbol, _, index) in _KINDS.items():
        chosen = [(lane, event) for lane, event in lanes.events if _kind(event) == name and begin_s <= event.at_s]
        if chosen:
            figure.add_scatter(
                x=[event.at_s for _, event in chosen],
                y=[height[lane] for lane, _ in chosen],
                name=name,
                mode="markers",
                marker={"symbol": symbol, "size": 8, "color": colour(index), "line": {"width": 0}},
                text=[_hover_text(event) for _, event in chosen],
                hovertemplate="%{text}<extra></extra>",
                row=row,
                col=1,
            )
    for state, index in (("pending", 2), ("firing", 5)):
        spans = [(lane, a_s, end_s if b_s is None else b_s) for lane, kind, a_s, b_s in lanes.alerts if kind == state]
        if spans:
            figure.add_scatter(
                x=[at_s for _, a_s, b_s in spans for at_s in (max(a_s, begin_s), b_s, None)],
                y=[value for lane, _, _ in spans for value in (height[lane], height[lane], None)],
                name=f"alert {state}",
                mode="lines",
                line={"color": colour(index), "width": 7},
                connectgaps=False,
                hovertemplate=f"{state}<extra></extra>",
                row=row,
                col=1,
            )
    figure.update_yaxes(
        range=[-0.6, max(0.4, len(lanes.names) - 0.4)],
        showticklabels=False,
        showgrid=False,
        zeroline=False,
        row=row,
        col=1,
    )
    for name, level in height.items():
        figure.add_annotation(
            x=0, y=level, xref="paper", yref=f"y{row}", xanchor="left", yanchor="bottom", xshift=3, yshift=3,
            text=name, showarrow=False, font={"size": 10.5, "color": "var(--quiet)"},
        )  # fmt: skip


def _kind(event: Event) -> str:
    if event.kind == "action":
        return "done by the scenario"
    return "warning" if event.warning else "event"


def _hover_text(event: Event) -> str:
    detail = event.detail if len(event.detail) <= 90 else f"{event.detail[:89]}…"
    times = f" ({event.count} times)" if event.count > 1 else ""
    parts = [f"{event.at_s:.0f} s: {event.what}{times}", event.subject, detail]
    return "<br>".join(escape(part) for part in parts if part)
