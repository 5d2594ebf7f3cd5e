"""Observations of the cluster while the load ran, as values that the report keeps.

All times are seconds from the start of the measured window, as the load test's seconds are; below 0 in the warm-up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from slipway.verdict import Value

__all__ = ["AlertSeen", "Event", "FailedContainer", "GpuNode", "Observations", "PodSeen", "Sample", "names_cause"]

_REASON = re.compile(r"unrecognized option|invalid option|requires an argument|is ambiguous|^error", re.IGNORECASE)

EventKind = Literal["action", "autoscaler", "node", "pod", "alert", "program", "other"]


class PodSeen(Value):
    """The state of a replica at one time.

    Attributes:
        name: Name of the pod.
        version: Model version in its annotation; "" if there is none.
        phase: Phase of the pod.
        ready: Whether it gets requests.
        leaving: Whether it is terminating.
        node: Its node; "" before it is scheduled.
        restarts: Restarts of all its containers.
        reason: Why a container waits, or why the pod is not scheduled; "" if neither.
    """

    name: str
    version: str
    phase: str
    ready: bool
    leaving: bool
    node: str
    restarts: int
    reason: str


class AlertSeen(Value):
    """The state of an alert of the service at one time; `cause` distinguishes alerts of one name."""

    name: str
    cause: str
    state: Literal["pending", "firing"]


class Sample(Value):
    """One sample of the cluster. Unavailable values are None, and their source is in `gaps`.

    Attributes:
        at_s: Time at which the responses had arrived.
        wanted: Replicas in the Deployment's spec.
        ready: Replicas that are ready.
        updated: Replicas of the newest pod template.
        desired: Replicas that the HPA last computed.
        metrics: Its metrics' values per replica, by name, as the HPA's status gives them.
        scaling_active: Whether the HPA could compute its metrics.
        pods: The replicas.
        alerts: Pending and firing alerts.
        in_flight: Requests in flight in all replicas, from Prometheus.
        pending: Queued requests in all replicas, from Prometheus.
        unhealthy: Programs of the control plane that fail their health check.
        busy: Share of this machine's cores that was busy since the previous sample.
        gaps: Sources that did not respond: apiserver, prometheus.
    """

    at_s: float
    wanted: int | None = None
    ready: int | None = None
    updated: int | None = None
    desired: int | None = None
    metrics: Mapping[str, float] = {}
    scaling_active: bool | None = None
    pods: tuple[PodSeen, ...] | None = None
    alerts: tuple[AlertSeen, ...] | None = None
    in_flight: float | None = None
    pending: float | None = None
    unhealthy: tuple[str, ...] = ()
    busy: float | None = None
    gaps: tuple[str, ...] = ()


class GpuNode(Value):
    """A node with GPUs, over its lifecycle.

    Attributes:
        name: Name of the node, or of its NodeClaim before it exists.
        type: Instance type.
        gpus: Number of its GPUs.
        price_per_hour: Price from the file of node types.
        asked_s: Karpenter requested it; it is billed from then on. In a fixed pool: the first sample.
        ready_s: It became ready; None if it never was.
        lost_s: It was lost; None if it was not.
        gone_s: It no longer existed; None if it existed at the end.
    """

    name: str
    type: str
    gpus: int
    price_per_hour: float
    asked_s: float
    ready_s: float | None
    lost_s: float | None = None
    gone_s: float | None = None

    def exists(self, at_s: float) -> bool:
        """Whether it is billed."""
        return self.asked_s <= at_s and (self.gone_s is None or at_s < self.gone_s)

    def is_ready(self, at_s: float) -> bool:
        """Whether it can run pods."""
        alive = self.lost_s is None or at_s < self.lost_s
        return self.ready_s is not None and self.ready_s <= at_s and alive and self.exists(at_s)


class Event(Value):
    """An event.

    Attributes:
        at_s: Its time; the first time of a repeated event.
        kind: Kind of event, which determines its lane in the chart.
        subject: The object concerned, such as a pod's name.
        what: A few words, such as Kubernetes' reason.
        detail: One sentence.
        warning: Whether it is a Kubernetes warning or a failure.
        count: Number of occurrences.
    """

    at_s: float
    kind: EventKind
    subject: str
    what: str
    detail: str = ""
    warning: bool = False
    count: int = 1


def names_cause(line: str) -> bool:
    """Whether a line of a log names the cause of an exit: an error, or an argument that tritonserver rejects."""
    return _REASON.search(line) is not None


class FailedContainer(Value):
    """A container of a replica that failed, with its last output.

    Attributes:
        at_s: Time of the observation.
        pod: Name of the pod.
        version: Model version of the pod; "" if there is none.
        container: Name of the container.
        reason: Waiting reason, such as CrashLoopBackOff.
        exit_code: Exit code; None if unknown.
        lines: Last lines of its log.
    """

    at_s: float
    pod: str
    version: str
    container: str
    reason: str
    exit_code: int | None
    lines: tuple[str, ...]

    @property
    def cause(self) -> str:
        """The line that names the cause, otherwise the last line with a letter in it."""
        errors = [line for line in self.lines if names_cause(line)]
        words = [line for line in self.lines if any(map(str.isalpha, line))]
        return next(iter(reversed(errors or words)), "nothing")


class Observations(Value):
    """All observations of a rehearsal.

    Attributes:
        samples: One per second, ascending.
        nodes: Every GPU node that existed.
        events: Events, ascending.
        failures: The first failure of each container and reason.
        served: Model versions in responses of the gateway at the end.
    """

    samples: tuple[Sample, ...]
    nodes: tuple[GpuNode, ...]
    events: tuple[Event, ...]
    failures: tuple[FailedContainer, ...] = ()
    served: tuple[str, ...] = ()

    def actions(self, what: str) -> tuple[Event, ...]:
        """Completed actions of a kind, such as `lose_node`."""
        return tuple(event for event in self.events if event.kind == "action" and event.what == what)

    def alert_spans(self) -> Mapping[tuple[str, str, str], tuple[tuple[float, float | None], ...]]:
        """When each alert was pending or firing: begin and end in seconds by (name, cause, state).

        A sample without a response of Prometheus keeps the state. An end of None: still so at the last sample.
        """
        spans: dict[tuple[str, str, str], list[tuple[float, float | None]]] = {}
        for at_s, alerts in self._alert_states():
            keys: set[tuple[str, str, str]] = {(alert.name, alert.cause, alert.state) for alert in alerts}
            for key in keys:
                known = spans.setdefault(key, [])
                if not known or known[-1][1] is not None:
                    known.append((at_s, None))
            for key, known in spans.items():
                if key not in keys and known[-1][1] is None:
                    known[-1] = (known[-1][0], at_s)
        return {key: tuple(known) for key, known in sorted(spans.items())}

    def _alert_states(self) -> Iterator[tuple[float, tuple[AlertSeen, ...]]]:
        for sample in self.samples:
            if sample.alerts is not None:
                yield sample.at_s, sample.alerts
