"""What became of one container so far: the values that a pod's status is computed from, or that are read from it.

An earlier node agent's status is read where its processes are gone with it, as after a reboot of the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

__all__ = [
    "ContainerState",
    "ContainerStatus",
    "Running",
    "Terminated",
    "Waiting",
    "started_at",
    "states_before",
    "terminated",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """It is not running yet, or at present."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Its process runs."""

    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminated:
    """Its process ended.

    Attributes:
        exit_code: 128 + n for signal n.
        signal: Number of the signal; 0 for none.
        reason: `Completed`, `Error`, or why it could not start.
        message: Its termination message.
        started_at: UTC.
        finished_at: UTC.
    """

    exit_code: int
    signal: int = 0
    reason: str = "Error"
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


_LOST = Terminated(
    exit_code=255, reason="Unknown", message="The node agent that ran the container ended, and the container with it"
)


def terminated(code: int, started_at: datetime, message: str) -> Terminated:
    """The state of a process that has just ended.

    Args:
        code: Its exit code, negative for a signal.
        started_at: UTC.
        message: Its termination message.
    """
    number = max(0, -code)
    return Terminated(
        exit_code=128 + number if number else code,
        signal=number,
        reason="Completed" if code == 0 else "Error",
        message=message,
        started_at=started_at,
        finished_at=datetime.now(UTC),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """One container.

    Attributes:
        name: Name of the container.
        image: Image in the pod's manifest.
        now: Its current state.
        last: Its previous termination.
        restarts: Number of restarts.
        started: Whether its startup probe has passed, or it has none and runs.
        ready: Whether it may get requests; for an init container, whether it succeeded.
        run: Unique name of its last run; empty before the first.
    """

    name: str
    image: str
    now: Waiting | Running | Terminated
    last: Terminated | None = None
    restarts: int = 0
    started: bool = False
    ready: bool = False
    run: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether it ended with exit code 0."""
        return isinstance(self.now, Terminated) and self.now.exit_code == 0

    @property
    def has_failed(self) -> bool:
        """Whether its last end, if any, was a failure."""
        ended = self.now if isinstance(self.now, Terminated) else self.last
        return not isinstance(self.now, Running) and ended is not None and ended.exit_code != 0


class ContainerStatus:
    """The changing state of a container, and whether it is being stopped.

    Attributes:
        state: The current state.
        stopping: Set once the container must stop and not restart.
    """

    def __init__(self, state: ContainerState, changed: Callable[[], None]) -> None:
        """Args: changed: Called after each change of the state."""
        self.state = state
        self.stopping = asyncio.Event()
        self._changed = changed

    def update(self, **changes: Any) -> None:  # noqa: ANN401  # fields of ContainerState
        """Change the state."""
        state = replace(self.state, **changes)
        if state != self.state:
            self.state = state
            self._changed()


def started_at(status: Mapping[str, Any]) -> datetime | None:
    """When the pod was first seen by a node agent."""
    return _moment(status.get("startTime"))


def states_before(pod: Mapping[str, Any], kind: str) -> dict[str, ContainerState]:
    """Initial container states by name; containers that never started have none.

    A final state is kept: the API server allows no change.

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
