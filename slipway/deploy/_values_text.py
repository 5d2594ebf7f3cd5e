"""Render a values file: a header, and every value below a comment with its source. Pure."""

from __future__ import annotations

import math
import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator

import yaml

from slipway.capacity import MeasuredCapacity
from slipway.deploy._chart_values import CHART_DEFAULTS, ChartValue, YamlValue
from slipway.deploy._request import ValuesRequest

_WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z][\w./-]*(:[\w./-]+)*", re.ASCII)
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
"""Plain scalars that YAML 1.1, which Helm reads, would not parse as strings."""


def render_values(
    chart_values: Iterable[ChartValue],
    *,
    request: ValuesRequest,
    capacity: MeasuredCapacity,
    release: str,
    warnings: Iterable[str],
) -> str:
    """The complete file."""
    lines = [*_header(request, capacity, release, tuple(warnings)), *_body(chart_values)]
    return "".join(f"{line}\n" for line in lines)


def _header(
    request: ValuesRequest, capacity: MeasuredCapacity, release: str, warnings: tuple[str, ...]
) -> Iterator[str]:
    server, source = capacity.target_server, request.capacity.name
    objectives = ", ".join(f"{name} {bound:g}" for name, bound in capacity.slo.items())
    yield from _comment(
        f"Values of helm/serving for the release {release}: differences from the chart's defaults, with reasons. Made "
        "by `slipway values`; run it again instead of editing the numbers."
    )
    yield from _comment(
        f"{source}: model {server.model} version {server.version}, measured {capacity.measured:%Y-%m-%d} against "
        f"{server.url}. One replica carries {capacity.replica.requests_per_s:,.4g} requests/s within {objectives}."
    )
    if warnings:
        yield "#"
        yield "# Warnings:"
        for warning in warnings:
            yield from _comment(warning, first="#   - ", rest="#     ")
    yield "#"
    yield "# Next, in the folder that contains helm/:"
    install = ["helm", "upgrade", "--install", release, "helm/serving", "--namespace", request.namespace]
    yield f"#   {_one_line(shlex.join([*install, '--values', str(request.output)]))}"
    yield f"#   {shlex.join(['helm', 'test', release, '--namespace', request.namespace])}"


def _body(chart_values: Iterable[ChartValue]) -> Iterator[str]:
    """Write sections only with a value: Helm would treat an empty one as a deletion."""
    opened: list[str] = []
    section = ""
    for chart_value in chart_values:
        *parents, name = chart_value.key.split(".")
        if parents[0] != section:
            section = parents[0]
            yield ""
        kept = _shared(opened, parents)
        if chart_value.value == CHART_DEFAULTS[chart_value.key]:
            stays = f"{chart_value.key} stays {_scalars(chart_value.value)}, the chart's default. {chart_value.why}."
            yield from _comment(stays, first="  " * kept + "# ")
            opened = opened[:kept]
            continue
        for depth in range(kept, len(parents)):
            yield f"{'  ' * depth}{parents[depth]}:"
        opened = parents
        indent = "  " * len(parents)
        yield from _comment(f"{chart_value.why}.", first=f"{indent}# ")
        yield f"{indent}{name}: {_scalars(chart_value.value)}"


def _shared(one: list[str], other: list[str]) -> int:
    """Length of the common prefix."""
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count


def _comment(text: str, *, first: str = "# ", rest: str | None = None) -> list[str]:
    return textwrap.wrap(
        _one_line(text),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _one_line(text: str) -> str:
    """Replace all kinds of line breaks: text from a measurement must not end a comment."""
    return " ".join(text.split())


def _scalars(value: YamlValue) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_scalars, value))}]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    # Not JSON: YAML 1.1 reads 1e-05 as a string, and its readers do not join surrogates.
    style = '"' if isinstance(value, str) else None
    text: str = yaml.safe_dump(value, default_style=style, allow_unicode=True, width=math.inf)
    return text.removesuffix("...\n").rstrip("\n")
