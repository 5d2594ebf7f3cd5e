"""Command and master: the charts of the window as a whole: latency by percentile, and its distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go

from loadtest.report.chart_style import DASHES, FINEST_MS, OBJECTIVE, Chart, colour, log_axis, quiet_line, styled
from loadtest.report.formatting import milliseconds, percentile_name
from loadtest.result.histogram import LatencyHistogram
from loadtest.result.run_result import Result
from loadtest.scenario.sample_size import fewest_requests

__all__ = ["Windows", "distribution", "percentile_curves"]

_CURVE_END = 4.0
"""End of the percentile axis: log10 of 1 / (1 - p), so 99.99 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The three histograms of the measured window, decoded once."""

    latency: LatencyHistogram
    service: LatencyHistogram
    lag: LatencyHistogram

    @classmethod
    def of(cls, result: Result) -> Windows:
        """Merge the seconds of the window."""
        return cls(
            latency=result.window_histogram("latency"),
            service=result.window_histogram("service"),
            lag=result.window_histogram("lag"),
        )


def percentile_curves(result: Result, windows: Windows) -> Chart:
    """Latency by percentile, on a scale that gives each further nine the same width."""
    grid = np.linspace(0, _CURVE_END, 401)
    figure = go.Figure()
    drawn: list[float] = []
    kinds = (("latency, from due", windows.latency, "solid", 1), ("service, from sent", windows.service, "dash", 3),
             ("generator's lag", windows.lag, "dot", 4))  # fmt: skip
    for name, histogram, dash, index in kinds:
        percents = [percent for percent in 100 * (1 - 10.0**-grid) if _is_supported(percent, histogram.count)]
        values = [max(value / 1e6, FINEST_MS) for value in histogram.percentiles_ns(percents)]
        drawn += values
        figure.add_scatter(
            x=[100 / (100 - percent) for percent in percents],
            y=values,
            name=name,
            mode="lines",
            line={"color": colour(index), "dash": dash, "width": 2.4},
            text=[percentile_name(percent) for percent in percents],
            hovertemplate="%{text}: %{y:,.3~r} ms",
        )
    bounds = result.scenario.slo.latency_bounds_ms()
    _mark_objectives(figure, bounds)
    end = max((step for step in grid if _is_supported(100 * (1 - 10.0**-step), windows.latency.count)), default=0.0)
    styled(figure, height_px=420)
    figure.update_yaxes(log_axis([*drawn, *bounds.values()]))
    ticks = {2: "50 %", 10: "90 %", 100: "99 %", 1_000: "99.9 %", 10_000: "99.99 %"}
    figure.update_xaxes(
        type="log", range=[0, _CURVE_END + 0.02], tickvals=list(ticks), ticktext=list(ticks.values()), tickangle=0
    )
    _shade_unsupported(figure, end)
    caption = _curve_caption(windows.latency.count, end, bounds)
    return Chart(name="percentiles", figure=figure, title="Latency by percentile", caption=caption)


def _is_supported(percent: float, requests: int) -> bool:
    """The sample-size rule of the objectives; below the median one request is enough."""
    return requests > 0 and (percent <= 50 or fewest_requests(percent) <= requests)


def _mark_objectives(figure: go.Figure, bounds: dict[float, float]) -> None:
    if not bounds:
        return
    names = [f"{percentile_name(percent)} ≤ {bound_ms:g} ms" for percent, bound_ms in bounds.items()]
    figure.add_scatter(
        x=[100 / (100 - percent) for percent in bounds],
        y=list(bounds.values()),
        name=f"objective: {', '.join(names)}",
        mode="markers",
        marker={"symbol": "diamond-open", "size": 12, "color": colour(OBJECTIVE), "line": {"width": 2.5}},
        text=names,
        hovertemplate="%{text}<extra></extra>",
    )


def _shade_unsupported(figure: go.Figure, end: float) -> None:
    """Shade the percentiles that the sample does not support; `end` is log10 of 1 / (1 - p)."""
    if end >= _CURVE_END:
        return
    figure.add_vrect(x0=10**end, x1=10 ** (_CURVE_END + 0.02), fillcolor="var(--shade)", line_width=0, layer="below")
    if end < _CURVE_END - 0.4:
        figure.add_annotation(
            x=end, y=0.5, yref="paper", xanchor="left", text="too few requests", textangle=-90, showarrow=False,
            font={"size": 11, "color": "var(--quiet)"},
        )  # fmt: skip


def _curve_caption(requests: int, end: float, bounds: dict[float, float]) -> str:
    reach = percentile_name(100 * (1 - 10.0**-end))
    stop = (
        f"The curves end at {reach}: {requests:,} answered requests support no further. "
        if end < _CURVE_END
        else f"{requests:,} answered requests support it to the end. "
    )
    diamonds = "The curve has to pass below the diamonds. " if bounds else ""
    return (
        f"Each further nine has the same width. {diamonds}The distance between latency and service"
        f" is the time that requests waited for the generator or for a place in flight. {stop}"
        "Failed requests have no latency and are not included."
    )


def distribution(result: Result, windows: Windows) -> Chart:
    """Histogram of latencies, with bins of equal width on a logarithmic scale."""
    values = np.log10(np.maximum(windows.latency.middles_ns() / 1e6, FINEST_MS))
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    middle, reach = (low + high) / 2, max(high - low, 0.15) / 2 * 1.001
    edges = np.linspace(middle - reach, middle + reach, 61)
    counts, _ = np.histogram(values, bins=edges, weights=windows.latency.counts)
    total = max(windows.latency.count, 1)
    spans = [f"{milliseconds(10**a)} to {milliseconds(10**b)} ms" for a, b in pairwise(edges)]
    figure = go.Figure()
    figure.add_bar(
        x=((edges[:-1] + edges[1:]) / 2).tolist(),
        y=[int(count) or None for count in counts],
        width=float(edges[1] - edges[0]),
        name="requests",
        marker={"color": colour(1), "opacity": 0.6, "line": {"width": 0}},
        text=[f"{span}: {int(count):,} ({count / total:.3%})" for span, count in zip(spans, counts, strict=True)],
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    top = math.log10(max(float(counts.max()), 1.0)) + 0.15
    bounds = result.scenario.slo.latency_bounds_ms()
    _mark_latencies(figure, windows.latency, bounds, top=top)
    styled(figure, height_px=360)
    figure.update_xaxes(log_axis([10 ** edges[0], 10 ** edges[-1], *bounds.values()], scale="linear"), showgrid=False)
    figure.update_yaxes(
        type="log", range=[math.log10(0.7), top], dtick=1 if top > 2 else "D2", tickformat=",", title_text="requests"
    )
    figure.update_layout(bargap=0)
    caption = (
        "Answered requests by latency; both axes are logarithmic, so that one slow request in a million is still a "
        "bar. A second hump is a second way through the system: a larger batch, a retry, a pause."
    )
    return Chart(name="distribution", figure=figure, title="Distribution of latency", caption=caption)


def _mark_latencies(figure: go.Figure, latency: LatencyHistogram, bounds: dict[float, float], *, top: float) -> None:
    """Vertical lines at p50 and p99, if the sample supports them, and at the objectives; `top` is log10 of counts."""
    marks = [
        (percentile_name(percent), latency.percentile_ns(percent) / 1e6, DASHES[percent], index)
        for percent, index in ((50.0, 3), (99.0, 2))
        if _is_supported(percent, latency.count)
    ]
    marks += [
        (f"objective {percentile_name(percent)} ≤ {bound_ms:g} ms", bound_ms, DASHES[percent], OBJECTIVE)
        for percent, bound_ms in bounds.items()
    ]
    for name, at_ms, dash, index in marks:
        x = [math.log10(max(at_ms, FINEST_MS))] * 2
        hover = f"{name}: {milliseconds(at_ms)} ms<extra></extra>"
        line = quiet_line(dash, index)
        figure.add_scatter(x=x, y=[0.1, 10**top], name=name, mode="lines", line=line, hovertemplate=hover)
