"""Compute a pod's status from its containers' states, as the kubelet does. Pure: no I/O.

Rules: kubernetes/pkg/kubelet/kubelet_pods.go (`getPhase`), pkg/kubelet/status/generate.go (conditions).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from rehearsal.cluster.node_agent.state import ContainerState, Running, Terminated, Waiting

__all__ = ["Phase", "PodFacts", "phase_of", "pod_status", "timestamp"]

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """The state of a pod at one time.

    Attributes:
        restart_policy: `Always`, `OnFailure` or `Never`.
        init: Its init containers, in order.
        containers: The others.
        address: Address of the pod and of its node.
        start_time: When the node agent first saw it, UTC.
        networked: Whether it has its address and volumes.
        over: Whether no container will run again.
        failure: Reason and message, if the whole pod was ended.
        generation: Generation of the manifest; None if the API server sets none.
    """

    restart_policy: str
    init: Sequence[ContainerState]
    containers: Sequence[ContainerState]
    address: str
    start_time: datetime
    networked: bool = True
    over: bool = False
    failure: tuple[str, str] | None = None
    generation: int | None = None


def timestamp(moment: datetime) -> str:
    """A time in Kubernetes' format: whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def phase_of(facts: PodFacts) -> Phase:
    """The phase that follows from the containers' states."""
    init_failed = any(one.has_failed for one in facts.init) and facts.restart_policy == "Never"
    if facts.failure or init_failed:
        return "Failed"
    never_ran = any(isinstance(one.now, Waiting) and one.last is None for one in facts.containers)
    if never_ran or not all(one.succeeded for one in facts.init):
        return "Failed" if facts.over else "Pending"
    if any(isinstance(one.now, Running) for one in facts.containers):
        return "Running"
    if all(one.succeeded for one in facts.containers):
        return "Running" if facts.restart_policy == "Always" and not facts.over else "Succeeded"
    return "Failed" if facts.over or facts.restart_policy == "Never" else "Running"


def pod_status(facts: PodFacts, previous: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """The status to merge into the pod's; conditions of other types stay.

    Args:
        facts: The current state.
        previous: The previous conditions; an unchanged one keeps its transition time.
        now: UTC.
    """
    phase = phase_of(facts)
    previous_by_type = {condition["type"]: condition for condition in previous}
    conditions = []
    for kind, value, reason, message in _conditions(facts, phase):
        status = "True" if value else "False"
        was = previous_by_type.get(kind)
        kept = was["lastTransitionTime"] if was and was.get("status") == status else timestamp(now)
        # None removes the previous value in the merge.
        text = {"reason": reason or None, "message": message or None}
        generation = {"observedGeneration": facts.generation} if facts.generation is not None else {}
        conditions.append({"type": kind, "status": status, "lastTransitionTime": kept, **text, **generation})
    return {
        **({"observedGeneration": facts.generation} if facts.generation is not None else {}),
        "phase": phase,
        "reason": facts.failure[0] if facts.failure else None,
        "message": facts.failure[1] if facts.failure else None,
        "conditions": conditions,
        "hostIP": facts.address,
        "hostIPs": [{"ip": facts.address}],
        "podIP": facts.address,
        "podIPs": [{"ip": facts.address}],
        "startTime": timestamp(facts.start_time),
        "initContainerStatuses": [_container(one) for one in facts.init] or None,
        "containerStatuses": [_container(one) for one in facts.containers],
    }


def _conditions(facts: PodFacts, phase: Phase) -> list[tuple[str, bool, str, str]]:
    """Type, value, reason and message."""
    incomplete = [one.name for one in facts.init if not one.succeeded]
    initialized = ("Initialized", True, "PodCompleted" if phase == "Succeeded" else "", "")
    if incomplete:
        message = f"containers with incomplete status: [{' '.join(incomplete)}]"
        initialized = ("Initialized", False, "ContainersNotInitialized", message)
    unready = [one.name for one in facts.containers if not one.ready]
    ready, reason, message = True, "", ""
    if phase in {"Succeeded", "Failed"}:
        ready, reason = False, "PodCompleted" if phase == "Succeeded" else "PodFailed"
    elif unready:
        ready, reason = False, "ContainersNotReady"
        message = f"containers with unready status: [{' '.join(unready)}]"
    return [
        ("PodReadyToStartContainers", facts.networked and not facts.over, "", ""),
        initialized,
        ("ContainersReady", ready, reason, message),
        ("Ready", ready, reason, message),
    ]


def _container(state: ContainerState) -> dict[str, Any]:
    return {
        "name": state.name,
        "image": state.image,
        "imageID": "",
        **({"containerID": f"slipway://{state.run}"} if state.run else {}),
        "restartCount": state.restarts,
        "started": state.started,
        "ready": state.ready,
        "state": _state(state.now, state.run),
        "lastState": _state(state.last, "") if state.last else {},
    }


def _state(state: Waiting | Running | Terminated, run: str) -> dict[str, Any]:
    if isinstance(state, Running):
        return {"running": {"startedAt": timestamp(state.started_at)}}
    if isinstance(state, Waiting):
        return {"waiting": _filled(reason=state.reason, message=state.message)}
    return {
        "terminated": {
            "exitCode": state.exit_code,
            **_filled(
                signal=state.signal,
                reason=state.reason,
                message=state.message,
                startedAt=timestamp(state.started_at) if state.started_at else "",
                finishedAt=timestamp(state.finished_at) if state.finished_at else "",
                containerID=f"slipway://{run}" if run else "",
            ),
        }
    }


def _filled(**values: str | int) -> dict[str, str | int]:
    return {name: value for name, value in values.items() if value}
