"""Parses responses of the API server and of Prometheus into observations; times are Unix time in seconds.

Only `add_causes` reads files: a tritonserver that rejects an argument names it first and prints its whole usage after
it, so the end of its log, which is what a pod's status keeps, does not name the cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rehearsal.experiment.result.observations import (
    AlertSeen,
    Event,
    EventKind,
    FailedContainer,
    PodSeen,
    Sample,
    names_cause,
)

__all__ = [
    "MODEL_VERSION",
    "Json",
    "add_causes",
    "condition",
    "containers_of",
    "failed_containers",
    "gpus_of",
    "health_changes",
    "parse_alerts",
    "parse_autoscaler",
    "parse_events",
    "parse_pods",
    "parse_recorded_series",
    "unix_s",
]

Json = Mapping[str, Any]

_GPU = "nvidia.com/gpu"
MODEL_VERSION = "slipway/model-version"
"""Annotation of a pod."""
_IGNORED_REASONS = frozenset(
    {
        # Every start of a pod has them.
        "Pulling",
        "Pulled",
        "Created",
        "Started",
        "SuccessfulCreate",
        "SuccessfulDelete",
        "DisruptionBlocked",
        # Caused by pods on loopback addresses, and by a cluster without Istio.
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

_MAX_CAUSES = 5


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


def parse_pods(items: Iterable[Json]) -> tuple[PodSeen, ...]:
    """The replicas, by name."""
    return tuple(sorted((_pod(item) for item in items), key=lambda pod: pod.name))


def _pod(item: Json) -> PodSeen:
    metadata, status = item["metadata"], item.get("status", {})
    waiting = [
        each["state"]["waiting"].get("reason", "") for each in containers_of(item) if "waiting" in each.get("state", {})
    ]
    unscheduled = condition(item, "PodScheduled")
    reason = unscheduled.get("reason", "") if unscheduled.get("status") == "False" else ""
    return PodSeen(
        name=metadata["name"],
        version=metadata.get("annotations", {}).get(MODEL_VERSION, ""),
        phase=status.get("phase", "Pending"),
        ready=condition(item, "Ready").get("status") == "True",
        leaving="deletionTimestamp" in metadata,
        node=item["spec"].get("nodeName", ""),
        restarts=sum(each.get("restartCount", 0) for each in containers_of(item)),
        reason=next((each for each in waiting if each not in {"", "ContainerCreating", "PodInitializing"}), reason),
    )


def containers_of(item: Json) -> list[Json]:
    """Statuses of a pod's init containers and containers."""
    status = item.get("status", {})
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def parse_autoscaler(items: Sequence[Json], target: str) -> dict[str, Any]:
    """`desired`, `metrics` and `scaling_active` of the autoscaler of a Deployment; empty where there is none."""
    autoscaler = next((item for item in items if item["spec"]["scaleTargetRef"]["name"] == target), None)
    if autoscaler is None:
        return {}
    metrics = {}
    for each in autoscaler.get("status", {}).get("currentMetrics") or ():
        external = each.get("external", {})
        value = external.get("current", {}).get("averageValue")
        if value is not None:
            metrics[external["metric"]["name"]] = _quantity(value)
    active = condition(autoscaler, "ScalingActive").get("status")
    return {
        "desired": autoscaler.get("status", {}).get("desiredReplicas"),
        "metrics": metrics,
        "scaling_active": None if active is None else active == "True",
    }


def _quantity(text: str) -> float:
    """A Kubernetes quantity as the HPA writes it: plain, in thousandths, or in thousands."""
    scale = {"m": 1e-3, "k": 1e3, "M": 1e6}.get(text[-1:])
    return float(text) if scale is None else float(text[:-1]) * scale


def parse_alerts(response: Json, namespace: str) -> tuple[AlertSeen, ...]:
    """Alerts of a namespace, by name."""
    alerts = {
        AlertSeen(name=labels["alertname"], cause=labels.get("cause", ""), state=each["state"])
        for each in response["data"]["alerts"]
        if (labels := each["labels"]).get("namespace") == namespace and each["state"] in {"pending", "firing"}
    }
    return tuple(sorted(alerts, key=lambda alert: (alert.name, alert.cause, alert.state)))


def parse_recorded_series(response: Json) -> dict[str, float]:
    """`in_flight` and `pending` from a query for both recorded series."""
    names = {"slipway:inference_in_flight:sum": "in_flight", "slipway:inference_pending:sum": "pending"}
    return {
        names[each["metric"]["__name__"]]: float(each["value"][1])
        for each in response["data"]["result"]
        if each["metric"].get("__name__") in names
    }


def parse_events(items: Iterable[Json]) -> dict[str, Event]:
    """Events by uid, without those of every start of a pod; the newest sample of one has its final count."""
    events = {}
    for item in items:
        regarding = item.get("involvedObject", {})
        when = item.get("firstTimestamp") or item.get("eventTime") or item["metadata"].get("creationTimestamp")
        if not when or item.get("reason") in _IGNORED_REASONS:
            continue
        series = item.get("series") or {}
        events[item["metadata"]["uid"]] = Event(
            at_s=unix_s(when),
            kind=_KINDS.get(regarding.get("kind", ""), "other"),
            subject=regarding.get("name", ""),
            what=item.get("reason", ""),
            detail=(item.get("message") or "").strip(),
            warning=item.get("type") == "Warning",
            count=max(int(item.get("count") or 1), int(series.get("count") or 1)),
        )
    return events


def health_changes(samples: Sequence[Sample]) -> list[Event]:
    """When a program of the control plane became unhealthy, and when healthy again."""
    events = []
    before: frozenset[str] = frozenset()
    for sample in samples:
        now = frozenset(sample.unhealthy)
        for name in sorted(now ^ before):
            what = "unhealthy" if name in now else "healthy again"
            events.append(Event(at_s=sample.at_s, kind="program", subject=name, what=what, warning=name in now))
        before = now
    return events


def failed_containers(items: Iterable[Json], *, at_s: float) -> list[FailedContainer]:
    """Containers of replicas that exited with an error, with the last output that the status keeps."""
    failures = []
    for item in items:
        if "deletionTimestamp" in item["metadata"]:
            continue
        for each in containers_of(item):
            ended = each.get("state", {}).get("terminated") or each.get("lastState", {}).get("terminated")
            if not ended or not ended.get("exitCode"):
                continue
            waiting = each.get("state", {}).get("waiting", {})
            failures.append(
                FailedContainer(
                    at_s=at_s,
                    pod=item["metadata"]["name"],
                    version=item["metadata"].get("annotations", {}).get(MODEL_VERSION, ""),
                    container=each["name"],
                    reason=waiting.get("reason") or ended.get("reason") or "Error",
                    exit_code=ended["exitCode"],
                    lines=tuple((ended.get("message") or "").strip().splitlines()),
                )
            )
    return failures


def add_causes(failure: FailedContainer, *, logs: Path, namespace: str) -> FailedContainer:
    """The failure with the lines that name its cause before its last lines.

    Args:
        failure: The failure from the pod's status.
        logs: Folder of the pods' logs, written by the node agent.
        namespace: Namespace of the pod.
    """
    runs = sorted(logs.glob(f"{namespace}_{failure.pod}_*/{failure.container}/*.log"), key=lambda path: int(path.stem))
    causes: list[str] = []
    for path in runs:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # the node agent keeps the newest
        causes += [line.strip() for line in text.splitlines() if names_cause(line)]
    known = {line.strip() for line in failure.lines}
    new = [line for line in dict.fromkeys(causes) if line not in known][:_MAX_CAUSES]
    return failure.model_copy(update={"lines": (*new, *failure.lines)})
