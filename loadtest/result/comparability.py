"""Command: reasons why two runs, or one of their metrics, cannot be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loadtest.result.block_bootstrap import PERCENTILES
from loadtest.result.run_result import Result
from loadtest.scenario.sample_size import fewest_requests

__all__ = ["missing_reason", "notes_on"]

_FEWEST_SECONDS = 10

_Runs = tuple[tuple[str, Result], tuple[str, Result]]


def missing_reason(name: str, runs: _Runs) -> str:
    """Why a metric cannot be compared; empty if it can."""
    for run_name, run in runs:
        figures = run.figures
        if not figures.due:
            return f"no request was due in {run_name}"
        if name == "mean" and not figures.answered:
            return f"no request was answered in {run_name}"
        if name in PERCENTILES and figures.answered < (needed := fewest_requests(PERCENTILES[name])):
            return f"{name} needs {needed:,} answered requests, {run_name} has {figures.answered:,}"
    return ""


def notes_on(runs: _Runs) -> Iterator[tuple[str, bool]]:
    """Differences of the runs' conditions, each with whether it rules out a comparison."""
    a, b = (run for _, run in runs)
    if a.generator.open_loop != b.generator.open_loop:
        yield (
            (
                "one run is an open loop and one a closed loop, whose latencies omit stalls of the server "
                "(coordinated omission): they cannot be compared"
            ),
            True,
        )
    keys = _different_keys(a, b)
    if keys:
        yield f"the scenarios differ: {', '.join(keys)}", any(map(_changes_the_load, keys))
    machines = [f"{run.environment.machine}, {run.environment.cores} cores" for run in (a, b)]
    if machines[0] != machines[1]:
        yield f"the load came from different machines: {machines[0]}; {machines[1]}", False
    for name, run in runs:
        if run.verdict.outcome == "INVALID":
            yield f"{name} is INVALID: {'; '.join(run.verdict.reasons)}", True
        elif run.partial:
            yield f"{name} was interrupted after {run.figures.window_s:.1f} s of its window", False
        if run.figures.window_s < _FEWEST_SECONDS:
            few = f"with fewer than {_FEWEST_SECONDS} the intervals are unreliable"
            yield f"{name} has {run.figures.window_s:g} measured seconds; {few}", False


def _changes_the_load(key: str) -> bool:
    """Whether a scenario key changes the load on the server; a longer run offers the same load."""
    return key.startswith(("arrivals.", "payload.batches")) and key != "arrivals.duration_s"


def _different_keys(a: Result, b: Result) -> list[str]:
    """Dotted scenario keys that differ, except the description."""
    in_a, in_b = (dict(_flat(run.scenario.model_dump(exclude={"description"}))) for run in (a, b))
    absent = object()
    return [key for key in dict.fromkeys([*in_a, *in_b]) if in_a.get(key, absent) != in_b.get(key, absent)]


def _flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
