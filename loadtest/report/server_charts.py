"""Command and master: the charts of the server's side: where a request's time goes, and what the server used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from loadtest.report.chart_style import Chart, colour, styled
from loadtest.report.formatting import milliseconds
from loadtest.result.metrics import UsageSample
from loadtest.result.run_result import Result

__all__ = ["TimePart", "time_chart", "time_parts", "usage_chart"]

_ROUNDING = 1e-3
"""Share of a mean that may be rounding of the histograms' three digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePart:
    """One part of a request's mean latency.

    Attributes:
        name: Name of the part, in the order in which a request passes them.
        mean_ms: Milliseconds.
        meaning: A few words.
        index: Index of its colour.
    """

    name: str
    mean_ms: float
    meaning: str
    index: int


def time_parts(result: Result) -> tuple[TimePart, ...]:
    """Split the mean latency into its parts; unlike percentiles, means add up.

    Without server metrics, server and network are one part.
    """
    figures, server = result.figures, result.server
    lag, service = figures.lag_ms.mean, figures.service_ms.mean
    waiting = figures.latency_ms.mean - lag - service
    if waiting < _ROUNDING * figures.latency_ms.mean:
        waiting = 0.0
    parts = [
        ("generator's lag", lag, "delay of the generator itself"),
        ("wait for a place in flight", waiting, "from dispatched to sent; long at the limit of requests in flight"),
    ]
    if server is None:
        parts.append(("service", service, "network and server, from sent to answered"))
    else:
        inside = [server.queue_us, server.compute_input_us, server.compute_infer_us, server.compute_output_us]
        queue, copy_in, infer, copy_out = (value / 1e3 for value in inside)
        other = max(0.0, server.request_us - sum(inside)) / 1e3
        parts += [
            ("network and protocol", max(0.0, service - server.request_us / 1e3), "service time outside Triton"),
            ("queue", queue, "waiting in Triton for a batch and a model instance"),
            ("compute input", copy_in, "copying in"),
            ("compute infer", infer, "the model"),
            ("compute output", copy_out, "copying out"),
            ("other in Triton", other, "what its counters name no part for"),
        ]
    return tuple(
        TimePart(name=name, mean_ms=mean_ms, meaning=meaning, index=index)
        for index, (name, mean_ms, meaning) in enumerate(parts, start=1)
    )


def time_chart(parts: Sequence[TimePart], *, server_read: bool) -> Chart:
    """The parts as one bar."""
    figure = go.Figure()
    for part in parts:
        figure.add_bar(
            x=[part.mean_ms],
            y=[""],
            orientation="h",
            name=part.name,
            marker={"color": colour(part.index), "line": {"color": "var(--paper)", "width": 1.5}},
            text=part.name,
            textposition="inside",
            insidetextanchor="middle",
            insidetextfont={"color": "var(--paper)"},
            textangle=0,
            hovertemplate=f"{part.name}: {milliseconds(part.mean_ms)} ms<extra></extra>",
        )
    styled(figure, height_px=130)
    figure.update_layout(barmode="stack", bargap=0.1, uniformtext={"mode": "hide", "minsize": 11})
    figure.update_xaxes(ticksuffix=" ms", rangemode="tozero", tickformat=",~r")
    figure.update_yaxes(showticklabels=False, showgrid=False, fixedrange=True)
    unread = "" if server_read else "The server's metrics were not read, so its time and the network's are one part. "
    caption = (
        f"The mean request from left to right, in the order in which it passes the parts. {unread}"
        "The widest part is where work pays; lag and waiting belong to the load test and no server can mend them."
    )
    return Chart(name="time-parts", figure=figure, title="Where a request's time goes", caption=caption)


def usage_chart(usage: Sequence[UsageSample]) -> Chart:
    """Processor above, memory below, second by second."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.08)
    seconds = [sample.second for sample in usage]
    cores = {"color": colour(1), "width": 2}
    memory = {"color": colour(4), "width": 2, "dash": "dash"}
    figure.add_scatter(
        x=seconds, y=[sample.cpu_cores for sample in usage], name="CPU, cores busy", mode="lines", line=cores,
        hovertemplate="%{y:.2f} cores", row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=seconds, y=[sample.memory_bytes / 1e6 for sample in usage], name="memory, MB resident", mode="lines",
        line=memory, hovertemplate="%{y:,.0f} MB", row=2, col=1,
    )  # fmt: skip
    styled(figure, height_px=400)
    figure.update_yaxes(title_text="cores", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="MB", tickformat=",", row=2, col=1)
    figure.update_xaxes(zeroline=False)
    figure.update_xaxes(title_text="seconds of the measured window", tickformat=",", row=2, col=1)
    figure.update_layout(hovermode="x unified")
    return Chart(name="usage", figure=figure, title="What the server used", caption=_usage_caption(usage))


def _usage_caption(usage: Sequence[UsageSample]) -> str:
    window = [sample for sample in usage if sample.second >= 0] or list(usage)
    first_mb, last_mb = window[0].memory_bytes / 1e6, window[-1].memory_bytes / 1e6
    mean_cores = sum(sample.cpu_cores for sample in window) / len(window)
    return (
        f"All processes of the server together. Over the window it kept {mean_cores:.2f} cores busy, and its memory "
        f"went from {first_mb:,.0f} MB to {last_mb:,.0f} MB. The axis of memory does not begin at 0, so that a leak "
        "shows: a line that climbs at a steady rate and never falls."
    )
