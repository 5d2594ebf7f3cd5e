"""Which values the chart is given, and why each: from the choices, the measurement and the published model. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from slipway.deploy._capacity import Capacity
from slipway.deploy._errors import ValuesRefused
from slipway.deploy._order import ValuesOrder
from slipway.deploy._replicas import Replicas, plan_replicas
from slipway.deploy._served_model import ServedModel

Scalar = str | int | float | bool | None
Value = Scalar | tuple[str, ...]

_FEWEST, _MOST = 1, 4

CHART: dict[str, Value] = {
    "model.name": "mnist",
    "model.storageUri": "",
    "model.version": "",
    "model.configName": "gpu",
    "gpu.enabled": True,
    "gpu.resourceName": "nvidia.com/gpu",
    "gpu.products": (),
    "autoscaling.mode": "keda",
    "autoscaling.minReplicas": _FEWEST,
    "autoscaling.maxReplicas": _MOST,
    "autoscaling.capacity.inFlight": None,
    "autoscaling.capacity.requestsPerSecond": None,
    "autoscaling.prometheus.serverAddress": "http://prometheus-operated.monitoring.svc:9090",
    "headroom.mode": "none",
    "headroom.replicas": 1,
}
"""The keys that are decided here, in the chart's order, with the chart's own values; a test compares both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One value of the chart.

    Attributes:
        key: Dotted.
        value: As YAML has it; a tuple is a list.
        why: Where it comes from, a sentence or two.
    """

    key: str
    value: Value
    why: str


def entries(order: ValuesOrder, capacity: Capacity, model: ServedModel, *, pinned: int | None) -> tuple[Entry, ...]:
    """Everything that the choices decide, in the chart's order.

    Raises:
        ValuesRefused: The bounds of the scale contradict each other.
    """
    found = [
        *_model(order, model, pinned),
        *_gpu(order),
        *_scale(order, capacity),
        *_targets(order, capacity),
        *_headroom(order),
    ]
    return tuple(sorted(found, key=lambda entry: list(CHART).index(entry.key)))


def planned(order: ValuesOrder, capacity: Capacity) -> Replicas | None:
    """What the peak needs; None where no peak is named."""
    if order.peak_rps is None:
        return None
    return plan_replicas(
        peak_rps=order.peak_rps, quiet_share=order.quiet_share, target_rps=capacity.target.requests_per_s
    )


def three_digits(value: float) -> float:
    """Three significant digits, a whole number where it is one: a capacity is not known better."""
    rounded = float(f"{value:.3g}")
    return int(rounded) if rounded.is_integer() else rounded


def _model(order: ValuesOrder, model: ServedModel, pinned: int | None) -> Iterator[Entry]:
    source = "--model" if order.model else f"target_server.model of {order.capacity.name}: the model that was measured"
    yield Entry(key="model.name", value=model.contract.name, why=source)
    yield Entry(
        key="model.storageUri",
        value=order.storage_uri,
        why=f"--storage-uri: the folder that holds {model.contract.name}/",
    )
    if pinned is not None:
        yield Entry(
            key="model.version",
            value=str(pinned),
            why="--pin: the newest published version; its files are those of its manifest",
        )
    profile = model.profile
    yield Entry(
        key="model.configName",
        value="gpu" if order.on_gpu else "",
        why=f"--cluster {order.cluster}: {model.config_file} of the repository; instances {profile.instances}, "
        f"batches of at most {model.contract.max_batch_size} images, {profile.queue_delay_us} µs of waiting for more",
    )


def _gpu(order: ValuesOrder) -> Iterator[Entry]:
    if not order.on_gpu:
        yield Entry(key="gpu.enabled", value=False, why="--cluster cpu")
        return
    kind = {
        "gpu": "what one replica gets",
        "mig": "one MIG slice a replica; measure the capacity on such a slice",
        "time-sliced": "one share of a GPU a replica; its neighbours take part of what was measured, so measure with "
        "as many of them as there are shares",
    }[order.cluster]
    if order.cluster != "gpu" or order.gpu_resource is not None:
        yield Entry(key="gpu.resourceName", value=order.resource_name, why=f"--cluster {order.cluster}: {kind}")
    if order.gpu_products:
        why = "--gpu-product: only these; each has a capacity of its own"
        yield Entry(key="gpu.products", value=order.gpu_products, why=why)


def _scale(order: ValuesOrder, capacity: Capacity) -> Iterator[Entry]:
    if order.autoscaling == "hpa":
        why = "--autoscaling hpa: needs a Prometheus adapter in the cluster"
        yield Entry(key="autoscaling.mode", value="hpa", why=why)
    if order.autoscaling == "none":
        why = "--autoscaling none: minReplicas, always"
        yield Entry(key="autoscaling.mode", value="none", why=why)
    fewest, most = _bounds(order, capacity)
    if fewest.value > most.value:
        raise ValuesRefused(
            f"minReplicas would be {fewest.value} ({fewest.why}) and maxReplicas {most.value} ({most.why}): raise "
            "--max-replicas, or lower --min-replicas"
        )
    yield Entry(key="autoscaling.minReplicas", value=fewest.value, why=fewest.why)
    yield Entry(key="autoscaling.maxReplicas", value=most.value, why=most.why)


@dataclass(frozen=True, slots=True)
class _Count:
    value: int
    why: str


def _bounds(order: ValuesOrder, capacity: Capacity) -> tuple[_Count, _Count]:
    """What was asked for, or else what the peak needs, or else the chart's own."""
    fewest, most = _computed(order, capacity)
    if order.max_replicas is not None:
        most = _Count(order.max_replicas, "--max-replicas: your budget")
    if order.min_replicas is not None:
        fewest = _Count(order.min_replicas, "--min-replicas")
    if order.autoscaling != "none":
        return fewest, most
    # A fixed number is one number: the asked-for minimum, or else the maximum's.
    if order.min_replicas is None and (order.max_replicas is not None or order.peak_rps is not None):
        fewest = most
    return fewest, _Count(max(fewest.value, most.value), "--autoscaling none: not used, and not below minReplicas")


def _computed(order: ValuesOrder, capacity: Capacity) -> tuple[_Count, _Count]:
    plan = planned(order, capacity)
    if plan is None or order.peak_rps is None:
        unknown = "--peak-rps computes it"
        return _Count(_FEWEST, unknown), _Count(_MOST, unknown)
    per_replica = f"{capacity.target.requests_per_s:,.4g} requests/s a replica, rounded up, is"
    quiet_rps = order.peak_rps * order.quiet_share
    return (
        _Count(
            plan.fewest,
            f"--quiet-share {order.quiet_share:g} of the peak: {quiet_rps:,.5g} / {per_replica} {plan.fewest}",
        ),
        _Count(
            plan.most,
            f"--peak-rps: {order.peak_rps:,.5g} / {per_replica} {plan.needed}; and {plan.most - plan.needed} to spare "
            "for a lost node or a roll-out",
        ),
    )


def _targets(order: ValuesOrder, capacity: Capacity) -> Iterator[Entry]:
    target, source = capacity.target, order.capacity.name
    yield Entry(
        key="autoscaling.capacity.inFlight",
        value=three_digits(target.in_flight),
        why=f"target.in_flight of {source}, measured {capacity.measured:%Y-%m-%d} against "
        f"{capacity.target_server.url}: requests inside one replica, with {capacity.head_room:.0%} of what it holds "
        "left free",
    )
    yield Entry(
        key="autoscaling.capacity.requestsPerSecond",
        value=three_digits(target.requests_per_s),
        why=f"target.requests_per_s of {source}: what one replica gets at that point, with a p99 of "
        f"{target.p99_ms:.3g} ms; for the dashboard",
    )
    if order.prometheus_url is not None:
        why = "--prometheus-url: Prometheus, as KEDA reaches it"
        yield Entry(key="autoscaling.prometheus.serverAddress", value=order.prometheus_url, why=why)


def _headroom(order: ValuesOrder) -> Iterator[Entry]:
    if order.headroom_replicas:
        why = "--headroom-replicas: pods that do nothing keep nodes for the next replicas, which push them aside"
        yield Entry(key="headroom.mode", value="placeholder", why=why)
        yield Entry(key="headroom.replicas", value=order.headroom_replicas, why="--headroom-replicas")
