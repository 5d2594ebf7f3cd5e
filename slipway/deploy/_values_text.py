"""A values file as text: the header, and every value below a comment that says where it comes from. Pure."""

from __future__ import annotations

import math
import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator

import yaml

from slipway.deploy._capacity import Capacity
from slipway.deploy._entries import CHART, Entry, Value
from slipway.deploy._order import ValuesOrder

_WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z][\w./-]*(:[\w./-]+)*", re.ASCII)
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
"""Plain text that YAML 1.1, which Helm reads, takes for something else."""


def render_values(
    entries: Iterable[Entry], *, order: ValuesOrder, capacity: Capacity, release: str, caveats: Iterable[str]
) -> str:
    """The whole file."""
    lines = [*_header(order, capacity, release, tuple(caveats)), *_body(entries)]
    return "".join(f"{line}\n" for line in lines)


def _header(order: ValuesOrder, capacity: Capacity, release: str, caveats: tuple[str, ...]) -> Iterator[str]:
    server, source = capacity.target_server, order.capacity.name
    objectives = ", ".join(f"{name} {bound:g}" for name, bound in capacity.slo.items())
    yield from _comment(
        f"Values of helm/serving for the release {release}: what differs from the chart's defaults, and why. Made by "
        "`slipway values`; run it again rather than editing the numbers."
    )
    yield from _comment(
        f"{source}: model {server.model} version {server.version}, measured {capacity.measured:%Y-%m-%d} against "
        f"{server.url}. One replica holds {capacity.replica.requests_per_s:,.4g} requests/s within {objectives}."
    )
    if caveats:
        yield "#"
        yield "# Before you rely on it:"
        for caveat in caveats:
            yield from _comment(caveat, first="#   - ", rest="#     ")
    yield "#"
    yield "# Next, in the folder that holds helm/:"
    install = ["helm", "upgrade", "--install", release, "helm/serving", "--namespace", order.namespace]
    yield f"#   {_one_line(shlex.join([*install, '--values', str(order.output)]))}"
    yield f"#   {shlex.join(['helm', 'test', release, '--namespace', order.namespace])}"


def _body(entries: Iterable[Entry]) -> Iterator[str]:
    """Sections open when their first value comes, so that none is empty: Helm takes an empty one for "delete it"."""
    opened: list[str] = []
    section = ""
    for entry in entries:
        *parents, name = entry.key.split(".")
        if parents[0] != section:
            section = parents[0]
            yield ""
        kept = _shared(opened, parents)
        if entry.value == CHART[entry.key]:
            stays = f"{entry.key} stays {_scalars(entry.value)}, as the chart has it. {entry.why}."
            yield from _comment(stays, first="  " * kept + "# ")
            opened = opened[:kept]
            continue
        for depth in range(kept, len(parents)):
            yield f"{'  ' * depth}{parents[depth]}:"
        opened = parents
        indent = "  " * len(parents)
        yield from _comment(f"{entry.why}.", first=f"{indent}# ")
        yield f"{indent}{name}: {_scalars(entry.value)}"


def _shared(one: list[str], other: list[str]) -> int:
    """How many names both begin with."""
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
    """No line break of any alphabet: what a measurement says about its server must not end a comment."""
    return " ".join(text.split())


def _scalars(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_scalars, value))}]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    # Not JSON, though YAML is said to contain it: YAML 1.1 takes 1e-05 for a text, and no reader joins surrogates.
    style = '"' if isinstance(value, str) else None
    text: str = yaml.safe_dump(value, default_style=style, allow_unicode=True, width=math.inf)
    return text.removesuffix("...\n").rstrip("\n")
