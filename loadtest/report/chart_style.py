"""Command and master: what all charts share: the look, and axes of milliseconds.

Colours are CSS variables such as `var(--c1)`: the page's script replaces them by the values of its style sheet, for the
light or the dark theme, and again when the preference changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go

from loadtest.report.formatting import milliseconds

__all__ = ["DASHES", "FINEST_MS", "OBJECTIVE", "Chart", "colour", "log_axis", "quiet_line", "styled"]

DASHES = {50.0: "dot", 99.0: "dash", 99.9: "dashdot"}
"""Line style of an objective by its percentile."""

OBJECTIVE = 9
"""Colour of objectives: the text colour, to distinguish them from series."""

FINEST_MS = 1e-3
"""Lowest value of a logarithmic millisecond axis: shorter latencies are drawn at this value."""

Scale = Literal["log", "linear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One figure of the page.

    Attributes:
        name: Unique in the page.
        figure: For Plotly.
        title: In a few words.
        caption: How to read the chart, in sentences.
    """

    name: str
    figure: go.Figure
    title: str
    caption: str

    def json(self) -> str:
        """Traces and layout, for Plotly's JavaScript."""
        text: str = self.figure.to_json()
        return text


def colour(index: int) -> str:
    """The CSS variable of a series colour; `index` is from 1 to 9."""
    return f"var(--c{index})"


def quiet_line(dash: str, index: int) -> dict[str, Any]:
    """A thin line, for a bound or a mark."""
    return {"color": colour(index), "dash": dash, "width": 1.5}


def styled(figure: go.Figure, *, height_px: int) -> go.Figure:
    """Transparent, with the page's font; the legend is the page's own."""
    figure.update_layout(
        template=go.layout.Template(),
        height=height_px,
        margin={"l": 8, "r": 28, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13, "color": "var(--ink)"},
        showlegend=False,
        hoverlabel={"bgcolor": "var(--paper)", "bordercolor": "var(--line)", "font": {"color": "var(--ink)"}},
        uirevision="keep",
    )
    axis = {
        "gridcolor": "var(--line)",
        "linecolor": "var(--line)",
        "zerolinecolor": "var(--line)",
        "automargin": True,
        "title": {"font": {"size": 12}, "standoff": 8},
    }
    figure.update_xaxes(**axis, spikecolor="var(--quiet)", spikethickness=1)
    figure.update_yaxes(**axis)
    return figure


def log_axis(values_ms: Iterable[float | None], *, scale: Scale = "log") -> dict[str, Any]:
    """Range and ticks that hold all of the values.

    Args:
        values_ms: Milliseconds; None and values below `FINEST_MS` are ignored.
        scale: "log" for an axis of type log; "linear" for one whose coordinates are logarithms already.
    """
    shown = [value for value in values_ms if value is not None and value >= FINEST_MS] or [1.0]
    low, high = math.log10(min(shown)), math.log10(max(shown))
    pad = max(0.05, (high - low) * 0.06)
    low, high = low - pad, high + pad
    few, some, many = (1.0,), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)  # as many as fit a narrow screen
    steps = few if high - low > 1.6 else some if high - low > 0.7 else many
    decades = range(math.floor(low), math.ceil(high) + 1)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return {
        "type": scale,
        "range": [low, high],
        "tickangle": 0,
        "tickmode": "array",
        "tickvals": ticks if scale == "log" else [math.log10(tick) for tick in ticks],
        "ticktext": [f"{_bare(tick)} ms" for tick in ticks],
    }


def _bare(value_ms: float) -> str:
    """A tick label without trailing zeros."""
    text = milliseconds(value_ms)
    return text.rstrip("0").rstrip(".") if "." in text else text
