"""From a measurement to a values file of helm/serving: read, decide, render; and one function that writes.

    values = make_values(ValuesOrder(...), now=datetime.now(UTC))
    write_values(values.text, Path("values.yaml"), overwrite=False)

Needs the extra `deploy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from slipway.deploy._capacity import read_capacity
from slipway.deploy._caveats import age_caveat, caveats
from slipway.deploy._entries import entries
from slipway.deploy._errors import CapacityUnreadable, DeployError, ValuesExist, ValuesNotWritten, ValuesRefused
from slipway.deploy._order import ValuesOrder, check_order, release_name
from slipway.deploy._served_model import newest_intact_version, read_served_model
from slipway.deploy._values_text import render_values
from slipway.platform.atomic_write import write_atomically

__all__ = [
    "CapacityUnreadable",
    "DeployError",
    "ValuesExist",
    "ValuesFile",
    "ValuesNotWritten",
    "ValuesOrder",
    "ValuesRefused",
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


def make_values(order: ValuesOrder, *, now: datetime) -> ValuesFile:
    """Read the measurement and the repository, and decide.

    Args:
        order: The choices.
        now: With its time zone; says only how old the measurement is.

    Raises:
        DeployError: The choices cannot be meant, or the measurement is not readable.
        RepositoryError: There is no repository, or the version that is to be pinned is damaged.
    """
    check_order(order)
    capacity = read_capacity(order.capacity)
    name = order.model or capacity.target_server.model
    model = read_served_model(order.repository, name, on_gpu=order.on_gpu)
    pinned = newest_intact_version(order.repository, name) if order.pin else None
    release = release_name(order, name)
    known = caveats(order, capacity, model, pinned=pinned)
    text = render_values(
        entries(order, capacity, model, pinned=pinned), order=order, capacity=capacity, release=release, caveats=known
    )
    return ValuesFile(text=text, warnings=(*known, *age_caveat(order, capacity, now=now)))


def write_values(text: str, path: Path, *, overwrite: bool) -> None:
    """Write it whole, or not at all.

    Raises:
        ValuesNotWritten: The file is there and may not be overwritten, or the file system refused.
    """
    if path.exists() and not overwrite:
        raise ValuesExist(f"{path} is there already: overwrite it with --force, or name another with --output")
    try:
        write_atomically(path, text)
    except OSError as exc:
        raise ValuesNotWritten(
            f"{path} cannot be written: {exc.strerror}; make its folder writable, or name another with --output"
        ) from exc
