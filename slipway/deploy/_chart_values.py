"""Choose the chart values and their comments, from the request, the capacity and the published model. Pure."""

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
"""The chosen keys, in the chart's order, with the chart's defaults; a test compares both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartValue:
    """One value of the chart.

    Attributes:
        key: Dotted key.
        value: YAML value; a tuple is a list.
        why: Source of the value, one or two sentences.
    """

    key: str
    value: YamlValue
    why: str


def decide_chart_values(
    request: ValuesRequest, capacity: MeasuredCapacity, model: PublishedModel, *, pinned: int | None
) -> tuple[ChartValue, ...]:
    """All chosen values, in the chart's order.

    Raises:
        ValuesRefused: Minimum and maximum contradict each other.
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
    """Replicas for the peak; None if no peak is given."""
    if request.peak_rps is None:
        return None
    return plan_replicas(
        peak_rps=request.peak_rps, quiet_share=request.quiet_share, target_rps=capacity.target.requests_per_s
    )


def three_digits(value: float) -> float:
    """Round to three significant digits, the precision of a capacity; integral values become integers."""
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
            why="--pin: the newest published version; its files match its manifest",
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
        "gpu": "one GPU per replica",
        "mig": "one MIG slice per replica; measure the capacity on such a slice",
        "time-sliced": "one share of a GPU per replica; the shares slow each other down, so measure with all of them "
        "under load",
    }[request.cluster]
    if request.cluster != "gpu" or request.gpu_resource is not None:
        yield ChartValue(
            key="gpu.resourceName", value=request.resource_name, why=f"--cluster {request.cluster}: {kind}"
        )
    if request.gpu_products:
        why = "--gpu-product: only these; each has its own capacity"
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
    """The requested number, otherwise that for the peak, otherwise the chart's default."""
    minimum, maximum = _computed(request, capacity)
    if request.max_replicas is not None:
        maximum = _Count(request.max_replicas, "--max-replicas: your budget")
    if request.min_replicas is not None:
        minimum = _Count(request.min_replicas, "--min-replicas")
    if request.autoscaling != "none":
        return minimum, maximum
    # A fixed number is a single number: the requested minimum, otherwise the maximum.
    if request.min_replicas is None and (request.max_replicas is not None or request.peak_rps is not None):
        minimum = maximum
    return minimum, _Count(max(minimum.value, maximum.value), "--autoscaling none: not used, and not below minReplicas")


def _computed(request: ValuesRequest, capacity: MeasuredCapacity) -> tuple[_Count, _Count]:
    plan = plan_for(request, capacity)
    if plan is None or request.peak_rps is None:
        unknown = "--peak-rps computes it"
        return _Count(_MIN_REPLICAS, unknown), _Count(_MAX_REPLICAS, unknown)
    per_replica = f"{capacity.target.requests_per_s:,.4g} requests/s per replica, rounded up, is"
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
        f"{capacity.target_server.url}: requests in flight in one replica, with {capacity.utilisation_margin:.0%} of "
        "its capacity free",
    )
    yield ChartValue(
        key="autoscaling.capacity.requestsPerSecond",
        value=three_digits(target.requests_per_s),
        why=f"target.requests_per_s of {source}: rate of one replica at that point, with a p99 of "
        f"{target.p99_ms:.3g} ms; for the dashboard",
    )
    if request.prometheus_url is not None:
        why = "--prometheus-url: URL of Prometheus for KEDA"
        yield ChartValue(key="autoscaling.prometheus.serverAddress", value=request.prometheus_url, why=why)


def _headroom(request: ValuesRequest) -> Iterator[ChartValue]:
    if request.headroom_replicas:
        why = "--headroom-replicas: placeholder pods keep nodes for the next replicas, which preempt them"
        yield ChartValue(key="headroom.mode", value="placeholder", why=why)
        yield ChartValue(key="headroom.replicas", value=request.headroom_replicas, why="--headroom-replicas")
