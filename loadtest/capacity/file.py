"""`capacity.yaml`: what one replica carries, for whoever sets an autoscaler's target.

write_capacity(Capacity(...), Path("capacity.yaml"))
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

import yaml

from loadtest.output_file import write_output
from slipway.verdict import Environment, Outcome, TargetFacts, Value

__all__ = ["Capacity", "Load", "ProbeRow", "render_capacity", "write_capacity"]

_HEADER = """\
# What one replica carries within the objectives, measured. The autoscaler's target is `target`: what a replica gets
# before another one is added, so that `head_room` of it is left while that one starts.
"""


class Load(Value):
    """One rate, and the requests that are inside the server at it.

    Attributes:
        requests_per_s: Offered to one replica.
        in_flight: Mean number of requests in queue or in the model, as `sum(rate(nv_inference_request_duration_us))`
            has it.
        p99_ms: Latency at this rate.
    """

    requests_per_s: float
    in_flight: float
    p99_ms: float


class ProbeRow(Value):
    """One measurement of the search."""

    requests_per_s: float
    outcome: Outcome
    p99_ms: float
    in_flight: float


class Capacity(Value):
    """The file.

    Attributes:
        format: 1.
        target_server: Who was measured.
        images_per_request: Mean of the payload's mix.
        slo: The objectives, by name.
        limited_by: `generator`: the server may hold more than could be offered.
        in_flight_counted_by: `server`: its own counters. `client`: the clock of the generator, which counts the
            network too, as nobody asked for the server's metrics or they could not be read.
        replica: At the highest rate within the objectives.
        head_room: Share of it to be left free.
        target: At the rate with that left free, measured too.
        machine: Where the generator ran; the server too, when the target is local.
        measured: UTC.
        command: Repeats it.
        probes: The whole search.
    """

    format: Literal[1] = 1
    target_server: TargetFacts
    images_per_request: float
    slo: dict[str, float]
    limited_by: Literal["server", "generator"]
    in_flight_counted_by: Literal["server", "client"] = "server"
    replica: Load
    head_room: float
    target: Load
    machine: Environment
    measured: datetime
    command: str
    probes: tuple[ProbeRow, ...]


def render_capacity(capacity: Capacity) -> str:
    """YAML, figures to four digits."""
    document = _rounded(capacity.model_dump(mode="json"))
    return _HEADER + yaml.safe_dump(document, sort_keys=False, width=120)


def write_capacity(capacity: Capacity, path: Path) -> None:
    """Write it whole, or not at all.

    Raises:
        ReportError: The disk refused.
    """
    write_output(path, render_capacity(capacity), other="--output")


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return value
