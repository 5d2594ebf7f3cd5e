"""From a measurement to a values file of helm/serving: read, decide, render; and one function that writes.

    values = make_values(ValuesRequest(...), now=datetime.now(UTC))
    write_values(values.text, Path("values.yaml"), overwrite=False)

Needs the extra `deploy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from slipway.capacity import CapacityUnreadable, read_capacity
from slipway.deploy._chart_values import decide_chart_values
from slipway.deploy._errors import DeployError, ValuesExist, ValuesNotWritten, ValuesRefused
from slipway.deploy._published_model import newest_intact_version, read_published_model
from slipway.deploy._request import ValuesRequest, check_request, release_name
from slipway.deploy._values_text import render_values
from slipway.deploy._warnings import age_warning, warnings_for
from slipway.platform.atomic_write import write_atomically

__all__ = [
    "CapacityUnreadable",
    "DeployError",
    "ValuesExist",
    "ValuesFile",
    "ValuesNotWritten",
    "ValuesRefused",
    "ValuesRequest",
    "make_values",
    "write_values",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesFile:
    """A values file that is not written yet.

    Attributes:
        text: YAML; the same for the same choices, measurement and repository.
        warnings: What the reader should know, a sentence or two each.
    """

    text: str
    warnings: tuple[str, ...]


def make_values(request: ValuesRequest, *, now: datetime) -> ValuesFile:
    """Read the measurement and the repository, and decide.

    Args:
        request: The choices.
        now: With its time zone; says only how old the measurement is.

    Raises:
        DeployError: The choices contradict each other.
        CapacityUnreadable: The measurement is not readable.
        RepositoryError: There is no repository, or the version to be pinned is damaged.
    """
    check_request(request)
    capacity = read_capacity(request.capacity)
    name = request.model or capacity.target_server.model
    model = read_published_model(request.repository, name, on_gpu=request.on_gpu)
    pinned = newest_intact_version(request.repository, name) if request.pin else None
    release = release_name(request, name)
    warnings = warnings_for(request, capacity, model, pinned=pinned)
    text = render_values(
        decide_chart_values(request, capacity, model, pinned=pinned),
        request=request,
        capacity=capacity,
        release=release,
        warnings=warnings,
    )
    return ValuesFile(text=text, warnings=(*warnings, *age_warning(request, capacity, now=now)))


def write_values(text: str, path: Path, *, overwrite: bool) -> None:
    """Write it whole, or not at all.

    Raises:
        ValuesNotWritten: The file exists and may not be overwritten, or the file system refused.
    """
    if path.exists() and not overwrite:
        raise ValuesExist(f"{path} exists already: overwrite it with --force, or name another with --output")
    try:
        write_atomically(path, text)
    except OSError as exc:
        raise ValuesNotWritten(
            f"{path} cannot be written: {exc.strerror}; make its folder writable, or name another with --output"
        ) from exc
