"""`capacity.yaml`: what one replica carries, for whoever sets an autoscaler's target.

    text = render_capacity(Capacity(...))                  # `slipway capacity` writes it
    read_capacity(Path("capacity.yaml")).target.in_flight  # `slipway values` reads the part that it needs

The reader ignores other keys, so the writer may add some without a new format. Format 1 called `utilisation_margin`
`head_room`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import yaml
from pydantic import AliasChoices, ConfigDict, Field, field_validator

from slipway.errors import SlipwayError
from slipway.platform.settings import Settings, check_settings, read_yaml
from slipway.verdict import Environment, Outcome, TargetFacts, Value

__all__ = [
    "Capacity",
    "CapacityUnreadable",
    "Load",
    "MeasuredCapacity",
    "ProbeRow",
    "read_capacity",
    "render_capacity",
]

_FORMATS = (1, 2)
_AGAIN = "measure one replica: `slipway capacity steady`"
_HEADER = """\
# What one replica carries within the objectives, measured. The autoscaler's target is `target`: what a replica gets
# before another one is added, so that `utilisation_margin` of it is left while that one starts.
"""


class CapacityUnreadable(SlipwayError):
    """No measured capacity can be read from the file."""

    exit_status = 2


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
    """The file as it is written.

    Attributes:
        format: 2.
        target_server: Who was measured.
        images_per_request: Mean of the payload's mix.
        slo: The objectives, by name.
        limited_by: `generator`: the server may hold more than could be offered.
        in_flight_counted_by: `server`: its own counters. `client`: the clock of the generator, which counts the
            network too, as nobody asked for the server's metrics or they could not be read.
        replica: At the highest rate within the objectives.
        utilisation_margin: Share of it to be left free.
        target: At the rate with that left free, measured too.
        machine: Where the generator ran; the server too, when the target is local.
        measured: UTC.
        command: Repeats it.
        probes: The whole search.
    """

    format: Literal[2] = 2
    target_server: TargetFacts
    images_per_request: float
    slo: dict[str, float]
    limited_by: Literal["server", "generator"]
    in_flight_counted_by: Literal["server", "client"] = "server"
    replica: Load
    utilisation_margin: float
    target: Load
    machine: Environment
    measured: datetime
    command: str
    probes: tuple[ProbeRow, ...]


def render_capacity(capacity: Capacity) -> str:
    """YAML, figures to four digits."""
    document = _rounded(capacity.model_dump(mode="json"))
    return _HEADER + yaml.safe_dump(document, sort_keys=False, width=120)


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return value


class _Part(Settings):
    model_config = ConfigDict(extra="ignore")


class MeasuredLoad(_Part):
    """One rate. `in_flight`: mean number of requests inside the server at it."""

    requests_per_s: float = Field(gt=0)
    in_flight: float = Field(gt=0)
    p99_ms: float = Field(ge=0)


class TargetServer(_Part):
    """The server that was measured."""

    url: str
    model: str
    version: str
    max_batch_size: int = Field(ge=1)

    @property
    def is_local(self) -> bool:
        """Whether the address is the machine's own, where the load came from."""
        host = urlsplit(self.url).hostname or ""
        return host in {"localhost", "::1"} or host.startswith("127.")


class Machine(_Part):
    """The machine that generated the load."""

    machine: str


class MeasuredCapacity(_Part):
    """The part that is read.

    Attributes:
        target_server: The server that was measured.
        images_per_request: Mean of the requests that were sent.
        slo: The objectives that held, by name.
        limited_by: `generator`: the server may hold more than could be offered.
        replica: At the highest rate within the objectives.
        utilisation_margin: Share of it that `target` leaves free.
        target: What a replica gets before another one is added.
        machine: The machine that generated the load; the server ran on it too when it is local.
        measured: With its time zone.
    """

    format: Literal[1, 2]
    target_server: TargetServer
    images_per_request: float = Field(gt=0)
    slo: dict[str, float]
    limited_by: Literal["server", "generator"]
    replica: MeasuredLoad
    utilisation_margin: float = Field(ge=0, lt=1, validation_alias=AliasChoices("utilisation_margin", "head_room"))
    target: MeasuredLoad
    machine: Machine
    measured: datetime

    @field_validator("measured", mode="before")
    @classmethod
    def _date_from_text(cls, value: object) -> object:
        """YAML has dates of its own, and the writer's are text; one without a time zone is UTC."""
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) and moment.tzinfo is None else moment


def read_capacity(path: Path) -> MeasuredCapacity:
    """Read and check.

    Raises:
        CapacityUnreadable: The file is missing, no YAML, of another format, or lacks what is needed; says which.
    """
    document = read_yaml(
        path,
        sections="format, replica, target",
        missing=f"{path}: cannot be read; expected the file that `slipway capacity` writes: {_AGAIN}",
        error=CapacityUnreadable,
    )
    if "format" not in document:
        raise CapacityUnreadable(
            f"{path}: expected a capacity.yaml, which begins with `format: {_FORMATS[-1]}`; {_AGAIN}"
        )
    if document["format"] not in _FORMATS:
        raise CapacityUnreadable(
            f"{path}: expected format {' or '.join(map(str, _FORMATS))}, got {document['format']!r}: use the slipway "
            f"that wrote it, or {_AGAIN}"
        )
    if "target" not in document:
        raise CapacityUnreadable(f"{path}: names no target, which says when to add a replica; {_AGAIN}")
    return check_settings(document, MeasuredCapacity, where=str(path), error=CapacityUnreadable)
