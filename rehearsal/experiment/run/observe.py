"""From what the API server and Prometheus answer to what the report keeps. Pure; moments are Unix time in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rehearsal.experiment.result.observations import AlertSeen, Event, EventKind, FailedContainer, PodSeen, Sample

__all__ = [
    "alerts_seen",
    "condition",
    "events_told",
    "failures",
    "gpus_of",
    "health_changes",
    "hpa_seen",
    "pods_seen",
    "records_seen",
    "unix_s",
]

Json = Mapping[str, Any]

_GPU = "nvidia.com/gpu"
_VERSION = "slipway/model-version"
_DULL = frozenset(
    {
        # What every start of a pod tells.
        "Pulling",
        "Pulled",
        "Created",
        "Started",
        "SuccessfulCreate",
        "SuccessfulDelete",
        "DisruptionBlocked",
        # What follows from pods on loopback addresses, and from a cluster without Istio.
        "FailedToUpdateEndpoint",
        "FailedToUpdateEndpointSlices",
        "FailedToCreateEndpoint",
        "VirtualServiceCRDNotFound",
    }
)
_KINDS: Mapping[str, EventKind] = {
    "HorizontalPodAutoscaler": "autoscaler",
    "ScaledObject": "autoscaler",
    "Deployment": "autoscaler",
    "Node": "node",
    "NodeClaim": "node",
    "NodePool": "node",
    "Pod": "pod",
    "ReplicaSet": "pod",
}


def unix_s(text: str) -> float:
    """A time as Kubernetes writes it."""
    return datetime.fromisoformat(text).timestamp()


def condition(item: Json, kind: str) -> Json:
    """A condition of an object's status; empty where there is none."""
    return next((each for each in item.get("status", {}).get("conditions", ()) if each["type"] == kind), {})


def gpus_of(item: Json) -> int:
    """GPUs of a node, or of a claim for one, as its status says."""
    status = item.get("status", {})
    return int((status.get("allocatable") or status.get("capacity") or {}).get(_GPU, 0))


def pods_seen(items: Iterable[Json]) -> tuple[PodSeen, ...]:
    """The replicas, by name."""
    return tuple(sorted((_pod(item) for item in items), key=lambda pod: pod.name))


def _pod(item: Json) -> PodSeen:
    metadata, status = item["metadata"], item.get("status", {})
    waiting = [
        each["state"]["waiting"].get("reason", "") for each in _containers(item) if "waiting" in each.get("state", {})
    ]
    unscheduled = condition(item, "PodScheduled")
    reason = unscheduled.get("reason", "") if unscheduled.get("status") == "False" else ""
    return PodSeen(
        name=metadata["name"],
        version=metadata.get("annotations", {}).get(_VERSION, ""),
        phase=status.get("phase", "Pending"),
        ready=condition(item, "Ready").get("status") == "True",
        leaving="deletionTimestamp" in metadata,
        node=item["spec"].get("nodeName", ""),
        restarts=sum(each.get("restartCount", 0) for each in _containers(item)),
        reason=next((each for each in waiting if each not in {"", "ContainerCreating", "PodInitializing"}), reason),
    )


def failures(items: Iterable[Json], *, at_s: float) -> list[FailedContainer]:
    """Containers of replicas that ended by themselves with an error, with their last words as the status keeps them."""
    found = []
    for item in items:
        if "deletionTimestamp" in item["metadata"]:
            continue
        for each in _containers(item):
            ended = each.get("state", {}).get("terminated") or each.get("lastState", {}).get("terminated")
            if not ended or not ended.get("exitCode"):
                continue
            waiting = each.get("state", {}).get("waiting", {})
            found.append(
                FailedContainer(
                    at_s=at_s,
                    pod=item["metadata"]["name"],
                    version=item["metadata"].get("annotations", {}).get(_VERSION, ""),
                    container=each["name"],
                    reason=waiting.get("reason") or ended.get("reason") or "Error",
                    exit_code=ended["exitCode"],
                    lines=tuple((ended.get("message") or "").strip().splitlines()),
                )
            )
    return found


def _containers(item: Json) -> list[Json]:
    status = item.get("status", {})
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def hpa_seen(items: Sequence[Json], target: str) -> dict[str, Any]:
    """`desired`, `metrics` and `scaling_active` of the autoscaler of a Deployment; empty where there is none."""
    found = next((item for item in items if item["spec"]["scaleTargetRef"]["name"] == target), None)
    if found is None:
        return {}
    metrics = {}
    for each in found.get("status", {}).get("currentMetrics") or ():
        external = each.get("external", {})
        value = external.get("current", {}).get("averageValue")
        if value is not None:
            metrics[external["metric"]["name"]] = _quantity(value)
    active = condition(found, "ScalingActive").get("status")
    return {
        "desired": found.get("status", {}).get("desiredReplicas"),
        "metrics": metrics,
        "scaling_active": None if active is None else active == "True",
    }


def _quantity(text: str) -> float:
    """A Kubernetes quantity as the HPA writes it: plain, in thousandths, or in thousands."""
    scale = {"m": 1e-3, "k": 1e3, "M": 1e6}.get(text[-1:])
    return float(text) if scale is None else float(text[:-1]) * scale


def alerts_seen(answer: Json, namespace: str) -> tuple[AlertSeen, ...]:
    """Alerts of a namespace, by name."""
    seen = {
        AlertSeen(name=labels["alertname"], cause=labels.get("cause", ""), state=each["state"])
        for each in answer["data"]["alerts"]
        if (labels := each["labels"]).get("namespace") == namespace and each["state"] in {"pending", "firing"}
    }
    return tuple(sorted(seen, key=lambda alert: (alert.name, alert.cause, alert.state)))


def records_seen(answer: Json) -> dict[str, float]:
    """`in_flight` and `pending` from a query for both recorded series."""
    names = {"slipway:inference_in_flight:sum": "in_flight", "slipway:inference_pending:sum": "pending"}
    return {
        names[each["metric"]["__name__"]]: float(each["value"][1])
        for each in answer["data"]["result"]
        if each["metric"].get("__name__") in names
    }


def events_told(items: Iterable[Json]) -> dict[str, Event]:
    """Events by uid, without those that every start of a pod tells; the newest look at one has its final count."""
    told = {}
    for item in items:
        about = item.get("involvedObject", {})
        when = item.get("firstTimestamp") or item.get("eventTime") or item["metadata"].get("creationTimestamp")
        if not when or item.get("reason") in _DULL:
            continue
        series = item.get("series") or {}
        told[item["metadata"]["uid"]] = Event(
            at_s=unix_s(when),
            kind=_KINDS.get(about.get("kind", ""), "other"),
            subject=about.get("name", ""),
            what=item.get("reason", ""),
            detail=(item.get("message") or "").strip(),
            warning=item.get("type") == "Warning",
            count=max(int(item.get("count") or 1), int(series.get("count") or 1)),
        )
    return told


def health_changes(samples: Sequence[Sample]) -> list[Event]:
    """When a program of the control plane fell ill, and when it was well again."""
    events = []
    before: frozenset[str] = frozenset()
    for sample in samples:
        now = frozenset(sample.unhealthy)
        for name in sorted(now ^ before):
            what = "unhealthy" if name in now else "healthy again"
            events.append(Event(at_s=sample.at_s, kind="program", subject=name, what=what, warning=name in now))
        before = now
    return events
