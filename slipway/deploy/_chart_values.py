"""Which values the chart is given, and why each: from the choices, the measurement and the published model. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from slipway.capacity import MeasuredCapacity
from slipway.deploy._errors import ValuesRefused
from slipway.deploy._published_model import PublishedModel
from slipway.deploy._replicas import Replicas, plan_replicas
from slipway.deploy._request import ValuesRequest

Scalar = str | int | float | bool | None
YamlValue = Scalar | tuple[str, ...]

_MIN_REPLICAS, _MAX_REPLICAS = 1, 4

CHART_DEFAULTS: dict[str, YamlValue] = {
    "model.name": "mnist",
    "model.storageUri": "",
    "model.version": "",
    "model.configName": "gpu",
    "gpu.enabled": True,
    "gpu.resourceName": "nvidia.com/gpu",
    "gpu.products": (),
    "autoscaling.mode": "keda",
    "autoscaling.minReplicas": _MIN_REPLICAS,
    "autoscaling.maxReplicas": _MAX_REPLICAS,
    "autoscaling.capacity.inFlight": None,
    "autoscaling.capacity.requestsPerSecond": None,
    "autoscaling.prometheus.serverAddress": "http://prometheus-operated.monitoring.svc:9090",
    "headroom.mode": "none",
    "headroom.replicas": 1,
}
"""The keys that are decided here, in the chart's order, with the chart's own values; a test compares both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartValue:
    """One value of the chart.

    Attributes:
        key: Dotted.
        value: As YAML has it; a tuple is a list.
        why: Where it comes from, a sentence or two.
    """

    key: str
    value: YamlValue
    why: str


def decide_chart_values(
    request: ValuesRequest, capacity: MeasuredCapacity, model: PublishedModel, *, pinned: int | None
) -> tuple[ChartValue, ...]:
    """Everything that the choices decide, in the chart's order.

    Raises:
        ValuesRefused: The bounds of the scale contradict each other.
    """
    values = [
        *_model(request, model, pinned),
        *_gpu(request),
        *_scale(request, capacity),
        *_targets(request, capacity),
        *_headroom(request),
    ]
    return tuple(sorted(values, key=lambda decided: list(CHART_DEFAULTS).index(decided.key)))


def plan_for(request: ValuesRequest, capacity: MeasuredCapacity) -> Replicas | None:
    """What the peak needs; None where no peak is named."""
    if request.peak_rps is None:
        return None
    return plan_replicas(
        peak_rps=request.peak_rps, quiet_share=request.quiet_share, target_rps=capacity.target.requests_per_s
    )


def three_digits(value: float) -> float:
    """Three significant digits, a whole number where it is one: a capacity is not known better."""
    rounded = float(f"{value:.3g}")
    return int(rounded) if rounded.is_integer() else rounded


def _model(request: ValuesRequest, model: PublishedModel, pinned: int | None) -> Iterator[ChartValue]:
    source = (
        "--model" if request.model else f"target_server.model of {request.capacity.name}: the model that was measured"
    )
    yield ChartValue(key="model.name", value=model.contract.name, why=source)
    yield ChartValue(
        key="model.storageUri",
        value=request.storage_uri,
        why=f"--storage-uri: the folder that holds {model.contract.name}/",
    )
    if pinned is not None:
        yield ChartValue(
            key="model.version",
            value=str(pinned),
            why="--pin: the newest published version; its files are those of its manifest",
        )
    profile = model.profile
    yield ChartValue(
        key="model.configName",
        value="gpu" if request.on_gpu else "",
        why=f"--cluster {request.cluster}: {model.config_file} of the repository; instances {profile.instances}, "
        f"batches of at most {model.contract.max_batch_size} images, {profile.queue_delay_us} µs of waiting for more",
    )


def _gpu(request: ValuesRequest) -> Iterator[ChartValue]:
    if not request.on_gpu:
        yield ChartValue(key="gpu.enabled", value=False, why="--cluster cpu")
        return
    kind = {
        "gpu": "what one replica gets",
        "mig": "one MIG slice a replica; measure the capacity on such a slice",
        "time-sliced": "one share of a GPU a replica; its neighbours take part of what was measured, so measure with "
        "as many of them as there are shares",
    }[request.cluster]
    if request.cluster != "gpu" or request.gpu_resource is not None:
        yield ChartValue(
            key="gpu.resourceName", value=request.resource_name, why=f"--cluster {request.cluster}: {kind}"
        )
    if request.gpu_products:
        why = "--gpu-product: only these; each has a capacity of its own"
        yield ChartValue(key="gpu.products", value=request.gpu_products, why=why)


def _scale(request: ValuesRequest, capacity: MeasuredCapacity) -> Iterator[ChartValue]:
    if request.autoscaling == "hpa":
        why = "--autoscaling hpa: needs a Prometheus adapter in the cluster"
        yield ChartValue(key="autoscaling.mode", value="hpa", why=why)
    if request.autoscaling == "none":
        why = "--autoscaling none: minReplicas, always"
        yield ChartValue(key="autoscaling.mode", value="none", why=why)
    minimum, maximum = _bounds(request, capacity)
    if minimum.value > maximum.value:
        raise ValuesRefused(
            f"minReplicas would be {minimum.value} ({minimum.why}) and maxReplicas {maximum.value} ({maximum.why}): "
            "raise --max-replicas, or lower --min-replicas"
        )
    yield ChartValue(key="autoscaling.minReplicas", value=minimum.value, why=minimum.why)
    yield ChartValue(key="autoscaling.maxReplicas", value=maximum.value, why=maximum.why)


@dataclass(frozen=True, slots=True)
class _Count:
    value: int
    why: str


def _bounds(request: ValuesRequest, capacity: MeasuredCapacity) -> tuple[_Count, _Count]:
    """What was asked for, or else what the peak needs, or else the chart's own."""
    minimum, maximum = _computed(request, capacity)
    if request.max_replicas is not None:
        maximum = _Count(request.max_replicas, "--max-replicas: your budget")
    if request.min_replicas is not None:
        minimum = _Count(request.min_replicas, "--min-replicas")
    if request.autoscaling != "none":
        return minimum, maximum
    # A fixed number is one number: the asked-for minimum, or else the maximum's.
    if request.min_replicas is None and (request.max_replicas is not None or request.peak_rps is not None):
        minimum = maximum
    return minimum, _Count(max(minimum.value, maximum.value), "--autoscaling none: not used, and not below minReplicas")


def _computed(request: ValuesRequest, capacity: MeasuredCapacity) -> tuple[_Count, _Count]:
    plan = plan_for(request, capacity)
    if plan is None or request.peak_rps is None:
        unknown = "--peak-rps computes it"
        return _Count(_MIN_REPLICAS, unknown), _Count(_MAX_REPLICAS, unknown)
    per_replica = f"{capacity.target.requests_per_s:,.4g} requests/s a replica, rounded up, is"
    quiet_rps = request.peak_rps * request.quiet_share
    return (
        _Count(
            plan.minimum,
            f"--quiet-share {request.quiet_share:g} of the peak: {quiet_rps:,.5g} / {per_replica} {plan.minimum}",
        ),
        _Count(
            plan.maximum,
            f"--peak-rps: {request.peak_rps:,.5g} / {per_replica} {plan.needed}; and {plan.maximum - plan.needed} to "
            "spare for a lost node or a roll-out",
        ),
    )


def _targets(request: ValuesRequest, capacity: MeasuredCapacity) -> Iterator[ChartValue]:
    target, source = capacity.target, request.capacity.name
    yield ChartValue(
        key="autoscaling.capacity.inFlight",
        value=three_digits(target.in_flight),
        why=f"target.in_flight of {source}, measured {capacity.measured:%Y-%m-%d} against "
        f"{capacity.target_server.url}: requests inside one replica, with {capacity.utilisation_margin:.0%} of what "
        "it holds left free",
    )
    yield ChartValue(
        key="autoscaling.capacity.requestsPerSecond",
        value=three_digits(target.requests_per_s),
        why=f"target.requests_per_s of {source}: what one replica gets at that point, with a p99 of "
        f"{target.p99_ms:.3g} ms; for the dashboard",
    )
    if request.prometheus_url is not None:
        why = "--prometheus-url: Prometheus, as KEDA reaches it"
        yield ChartValue(key="autoscaling.prometheus.serverAddress", value=request.prometheus_url, why=why)


def _headroom(request: ValuesRequest) -> Iterator[ChartValue]:
    if request.headroom_replicas:
        why = "--headroom-replicas: pods that do nothing keep nodes for the next replicas, which push them aside"
        yield ChartValue(key="headroom.mode", value="placeholder", why=why)
        yield ChartValue(key="headroom.replicas", value=request.headroom_replicas, why="--headroom-replicas")
