"""Make a values file of helm/serving from a measurement: read, choose, render, write.

    values = make_values(ValuesRequest(...), now=datetime.now(UTC))
    write_values(values.text, Path("values.yaml"), overwrite=False)

Needs the extra `deploy`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from slipway.capacity import CapacityUnreadable, MeasuredCapacity, read_capacity
from slipway.deploy._chart_values import decide_chart_values, plan_for, three_digits
from slipway.deploy._errors import DeployError, ValuesExist, ValuesNotWritten, ValuesRefused
from slipway.deploy._published_model import PublishedModel, newest_intact_version, read_published_model
from slipway.deploy._request import ValuesRequest, check_request, release_name
from slipway.deploy._values_text import render_values
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

OLD = timedelta(days=90)
_TEST_LABEL = "7"
"""Label of the picture in the chart's `helm test`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesFile:
    """A rendered values file.

    Attributes:
        text: YAML; deterministic for request, measurement and repository.
        warnings: Warnings, one or two sentences each.
    """

    text: str
    warnings: tuple[str, ...]


def make_values(request: ValuesRequest, *, now: datetime) -> ValuesFile:
    """Read the measurement and the repository, and choose the values.

    Args:
        request: The choices.
        now: Current time with time zone, to determine the age of the measurement.

    Raises:
        DeployError: The choices contradict each other.
        CapacityUnreadable: The measurement is not readable.
        RepositoryError: There is no repository, or the version to pin is damaged.
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
    """Write the file atomically.

    Raises:
        ValuesNotWritten: The file exists and may not be overwritten, or the file system refused.
    """
    if path.exists() and not overwrite:
        raise ValuesExist(f"{path} exists already: overwrite it with --force, or choose another with --output")
    try:
        write_atomically(path, text)
    except OSError as exc:
        raise ValuesNotWritten(
            f"{path} cannot be written: {exc.strerror}; make its folder writable, or choose another with --output"
        ) from exc


def warnings_for(
    request: ValuesRequest, capacity: MeasuredCapacity, model: PublishedModel, *, pinned: int | None
) -> tuple[str, ...]:
    """Warnings that do not depend on the date, which are also written to the file."""
    return (
        *_about_the_measurement(request, capacity),
        *_about_the_model(capacity, model, pinned=pinned),
        *_about_the_scale(request, capacity),
    )


def age_warning(request: ValuesRequest, capacity: MeasuredCapacity, *, now: datetime) -> tuple[str, ...]:
    """Warning for an old measurement; not written to the file, which does not depend on the date."""
    if now - capacity.measured <= OLD:
        return ()
    return (
        f"{request.capacity.name} was measured {capacity.measured:%Y-%m-%d}, over {OLD.days} days ago: measure again",
    )


def _about_the_measurement(request: ValuesRequest, capacity: MeasuredCapacity) -> Iterator[str]:
    server, source = capacity.target_server, request.capacity.name
    if capacity.limited_by == "generator":
        yield (
            f"{source} has limited_by: generator: one replica carries at least "
            f"{capacity.replica.requests_per_s:,.4g} requests/s and may carry more, so replicas are added earlier than "
            "needed; measure again with more --processes, or from a separate machine"
        )
    if server.is_local and request.on_gpu:
        yield (
            f"{source} was measured against {server.url}, so probably on that machine ({capacity.machine.machine}) and "
            f"not on the GPU of --cluster {request.cluster}: inFlight is an estimate; measure again on one replica"
        )
    if server.is_local and not request.on_gpu:
        yield (
            f"{source} was measured against {server.url}, so probably on that machine ({capacity.machine.machine}) and "
            "not with a pod's share of a node (`resources` of the chart): measure again on one replica in the cluster"
        )
    if capacity.images_per_request != 1:
        yield (
            f"rates are in requests of {capacity.images_per_request:.3g} images on average: if your clients send "
            "other sizes, measure with their mix (`payload.batches` of the scenario)"
        )


def _about_the_model(capacity: MeasuredCapacity, model: PublishedModel, *, pinned: int | None) -> Iterator[str]:
    measured, largest = capacity.target_server, model.contract.max_batch_size
    if measured.model != model.contract.name:
        yield (
            f"model {measured.model} was measured, and {model.contract.name} will be served: unless both are the same "
            "network, the capacity of one does not apply to the other"
        )
    if measured.max_batch_size != largest:
        yield (
            f"batches of at most {measured.max_batch_size} images were measured, and {model.config_file} allows "
            f"{largest}: measure the configuration that will be served"
        )
    served = pinned or model.newest
    if served is not None and measured.model == model.contract.name and str(served) != measured.version:
        which = "pinned" if pinned else "newest here"
        yield f"version {measured.version} was measured, and {served} is the {which}: measure the served version"
    if _TEST_LABEL not in model.contract.labels or model.contract.image_shape != (28, 28, 1):
        yield (
            "`helm test` sends a handwritten seven: set tests.pictureBase64 and tests.expect to a picture for this "
            "model"
        )


def _about_the_scale(request: ValuesRequest, capacity: MeasuredCapacity) -> Iterator[str]:
    plan = plan_for(request, capacity)
    if plan is None or request.peak_rps is None:
        return
    fixed = request.max_replicas
    if request.autoscaling == "none":
        fixed = request.min_replicas or request.max_replicas
    if fixed is not None and fixed < plan.needed:
        yield (
            f"the peak needs {plan.needed} replicas and the budget is {fixed}: at the peak each gets "
            f"{three_digits(request.peak_rps / fixed):,g} requests/s, and one carries "
            f"{three_digits(capacity.replica.requests_per_s):,g} within the objectives"
        )
