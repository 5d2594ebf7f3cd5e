"""Reads the part of `capacity.yaml` that a values file needs. `slipway capacity` writes it; a test reads its output.

    capacity = read_capacity(Path("capacity.yaml"))
    capacity.target.in_flight

Other keys are ignored, so the writer may add some without a new format.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator

from slipway.deploy._errors import CapacityUnreadable
from slipway.platform.settings import Settings, check_settings, read_yaml

FORMAT = 1
_AGAIN = "measure one replica: `slipway capacity steady`"


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
    """What one replica carries.

    Attributes:
        target_server: The server that was measured.
        images_per_request: Mean of the requests that were sent.
        slo: The objectives that held, by name.
        limited_by: `generator`: the server may hold more than could be offered.
        replica: At the highest rate within the objectives.
        head_room: Share of it that `target` leaves free.
        target: What a replica gets before another one is added.
        machine: The machine that generated the load; the server ran on it too when it is local.
        measured: With its time zone.
    """

    format: Literal[1]
    target_server: TargetServer
    images_per_request: float = Field(gt=0)
    slo: dict[str, float]
    limited_by: Literal["server", "generator"]
    replica: MeasuredLoad
    head_room: float = Field(ge=0, lt=1)
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
        raise CapacityUnreadable(f"{path}: expected a capacity.yaml, which begins with `format: {FORMAT}`; {_AGAIN}")
    if document["format"] != FORMAT:
        raise CapacityUnreadable(
            f"{path}: expected format {FORMAT}, got {document['format']!r}: use the slipway that wrote it, or {_AGAIN}"
        )
    if "target" not in document:
        raise CapacityUnreadable(f"{path}: names no target, which says when to add a replica; {_AGAIN}")
    return check_settings(document, MeasuredCapacity, where=str(path), error=CapacityUnreadable)
