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
    """A replica, at one moment.

    Attributes:
        name: Of the pod.
        version: Of the model that its annotation pins; "" pins none.
        phase: As Kubernetes says it.
        ready: It gets requests.
        leaving: It is being deleted.
        node: Where it runs; "" before it is scheduled.
        restarts: Of its containers together.
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
    """An alert of the service, at one moment; `cause` tells two of one name apart."""

    name: str
    cause: str
    state: Literal["pending", "firing"]


class Sample(Value):
    """One sample of the cluster. What could not be read is None, and its source is in `gaps`.

    Attributes:
        at_s: When the responses had arrived.
        wanted: Replicas that the Deployment asks for.
        ready: Replicas that are ready.
        updated: Replicas of the newest pod template.
        desired: Replicas that the HPA last computed.
        metrics: Its metrics' values per replica, by name, as the HPA's status gives them.
        scaling_active: It could compute them.
        pods: The replicas.
        alerts: Pending and firing ones.
        in_flight: Requests inside all replicas, as Prometheus recorded it.
        pending: Requests that wait in all replicas, as Prometheus recorded it.
        unhealthy: Programs of the control plane that fail their health check.
        busy: Share of this machine's cores that was busy since the sample before.
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
        name: Of the node, or of its claim before it is there.
        type: Instance type.
        gpus: GPUs that it has.
        price_per_hour: As the file of node types says.
        asked_s: Karpenter asked for it; it is paid for from then on. Of a fixed pool: the first sample.
        ready_s: It could take pods; None: never seen.
        lost_s: It vanished; None: it did not.
        gone_s: It was no longer there; None: it was there at the end.
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
        """Whether it is paid for."""
        return self.asked_s <= at_s and (self.gone_s is None or at_s < self.gone_s)

    def is_ready(self, at_s: float) -> bool:
        """Whether it can take pods."""
        alive = self.lost_s is None or at_s < self.lost_s
        return self.ready_s is not None and self.ready_s <= at_s and alive and self.exists(at_s)


class Event(Value):
    """Something that happened.

    Attributes:
        at_s: When; of a repeated one the first time.
        kind: Decides its lane in the chart.
        subject: What it is about, such as a pod's name.
        what: In a word or a few, such as Kubernetes' reason.
        detail: In a sentence.
        warning: Kubernetes calls it a warning, or it is a failure.
        count: How often it occurred.
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
        at_s: When it was observed.
        pod: Its name.
        version: Of the model that the pod pins; "" pins none.
        container: Its name.
        reason: What it waits for now, such as CrashLoopBackOff.
        exit_code: It ended with; None: not known.
        lines: The last lines of its log.
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
        """The line that names the cause, else the last line with a letter in it."""
        errors = [line for line in self.lines if names_cause(line)]
        words = [line for line in self.lines if any(map(str.isalpha, line))]
        return next(iter(reversed(errors or words)), "nothing")


class Observations(Value):
    """All observations of a rehearsal.

    Attributes:
        samples: One a second, ascending.
        nodes: Every GPU node that existed.
        events: Ascending.
        failures: The first of each container and reason.
        served: Versions that the gateway answered with at the end.
    """

    samples: tuple[Sample, ...]
    nodes: tuple[GpuNode, ...]
    events: tuple[Event, ...]
    failures: tuple[FailedContainer, ...] = ()
    served: tuple[str, ...] = ()

    def actions(self, what: str) -> tuple[Event, ...]:
        """Actions of a kind that were done, such as `lose_node`."""
        return tuple(event for event in self.events if event.kind == "action" and event.what == what)

    def alert_spans(self) -> Mapping[tuple[str, str, str], tuple[tuple[float, float | None], ...]]:
        """When each alert was pending or firing: begin and end in seconds by (name, cause, state).

        A sample without Prometheus' answer leaves the state as it was. An end of None: it still was at the last sample.
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
