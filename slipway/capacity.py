"""Read and write `capacity.yaml`: the measured capacity of one replica, from which an autoscaler's target is set.

    text = render_capacity(Capacity(...))                  # `slipway capacity` writes it
    read_capacity(Path("capacity.yaml")).target.in_flight  # `slipway values` reads the part that it needs

The reader ignores unknown keys, so the writer may add some without a new format. In format 1, `utilisation_margin` was
called `head_room`.
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
# The commands of the charts and pages cut the file out of a log at this first line.
_HEADER = """\
# What one replica carries within the objectives, measured. `target` is the load per replica at which the autoscaler
# adds another: it leaves the share `utilisation_margin` free while the new replica starts.
"""


class CapacityUnreadable(SlipwayError):
    """The file holds no readable capacity."""

    exit_status = 2


class Load(Value):
    """A request rate, and the requests in flight at that rate.

    Attributes:
        requests_per_s: Rate offered to one replica.
        in_flight: Mean number of requests in the queue or in the model, as in
            `sum(rate(nv_inference_request_duration_us))`.
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
    """The complete file.

    Attributes:
        format: 2.
        target_server: The server that was measured.
        images_per_request: Mean images per request of the payload.
        slo: The objectives, by name.
        limited_by: `generator` if the server may carry more than could be offered.
        in_flight_counted_by: `server`: from its own counters. `client`: from the generator's timings, which include
            the network; used if the server's metrics were not requested or could not be read.
        replica: Load at the highest rate within the objectives.
        utilisation_margin: Share of that rate to leave free.
        target: Load at the rate with that share left free, measured too.
        machine: The machine of the generator, and of the server if the target is local.
        measured: UTC.
        command: Command that repeats the measurement.
        probes: All measurements of the search.
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
    """YAML, numbers rounded to four digits."""
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
    """A request rate, and the mean number of requests in flight at that rate."""

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
        """Whether the address is one of the machine that generated the load."""
        host = urlsplit(self.url).hostname or ""
        return host in {"localhost", "::1"} or host.startswith("127.")


class Machine(_Part):
    """The machine that generated the load."""

    machine: str


class MeasuredCapacity(_Part):
    """The part of the file that other commands read.

    Attributes:
        target_server: The server that was measured.
        images_per_request: Mean images per request that was sent.
        slo: The objectives that held, by name.
        limited_by: `generator`: the server may hold more than could be offered.
        replica: Load at the highest rate within the objectives.
        utilisation_margin: Share of that rate that `target` leaves free.
        target: Load per replica at which another one is added.
        machine: The machine that generated the load; the server ran on it too if it is local.
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
        """Accept a YAML date, or the writer's text; one without a time zone is UTC."""
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) and moment.tzinfo is None else moment


def read_capacity(path: Path) -> MeasuredCapacity:
    """Read and validate the file.

    Raises:
        CapacityUnreadable: The file is missing, not YAML, of another format, or incomplete; says which.
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
        raise CapacityUnreadable(f"{path}: expected the key target (the load per replica), got none; {_AGAIN}")
    return check_settings(document, MeasuredCapacity, where=str(path), error=CapacityUnreadable)
