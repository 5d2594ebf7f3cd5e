"""What an earlier node agent reported of a pod whose processes are gone with it, as after a reboot of the node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rehearsal.cluster.node_agent.state import ContainerState, Terminated, Waiting

__all__ = ["started_at", "states_before"]

_LOST = Terminated(
    exit_code=255, reason="Unknown", message="The node agent that ran the container ended, and the container with it"
)


def started_at(status: Mapping[str, Any]) -> datetime | None:
    """When the pod was first seen by a node agent."""
    return _moment(status.get("startTime"))


def states_before(pod: Mapping[str, Any], kind: str) -> dict[str, ContainerState]:
    """The states that containers begin with, by name; those that never started have none.

    What has ended for good stays as it ended: the API server allows nothing else.

    Args:
        pod: The manifest with its status.
        kind: `initContainers` or `containers`.
    """
    policy = pod["spec"].get("restartPolicy") or "Always"
    key = "initContainerStatuses" if kind == "initContainers" else "containerStatuses"
    found = {}
    for status in (pod.get("status") or {}).get(key) or ():
        if not status.get("containerID"):
            continue
        state = status.get("state") or {}
        ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated")
        last = _terminated(ended) if ended else _LOST
        if "running" in state:
            last = replace(_LOST, started_at=_moment(state["running"].get("startedAt")), finished_at=datetime.now(UTC))
        before = ContainerState(
            name=status["name"], image=status["image"], now=last, restarts=status.get("restartCount", 0)
        )
        over = policy == "Never" or (policy == "OnFailure" and before.succeeded)
        waiting = Waiting(reason="ContainerCreating")
        again = replace(before, now=waiting, last=last, restarts=before.restarts + 1)
        found[before.name] = replace(before, ready=before.succeeded and kind == "initContainers") if over else again
    return found


def _terminated(state: Mapping[str, Any]) -> Terminated:
    return Terminated(
        exit_code=state["exitCode"],
        signal=state.get("signal", 0),
        reason=state.get("reason", ""),
        message=state.get("message", ""),
        started_at=_moment(state.get("startedAt")),
        finished_at=_moment(state.get("finishedAt")),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
