"""The assertions of a scenario: what must be observed, a section for each check.

expect:
  - {check: more_replicas_asked, within_s: 20}
  - {check: failed_requests, at_most: 0}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from slipway.platform.settings import Settings

__all__ = [
    "AlertFired",
    "Assertion",
    "FailedRequests",
    "GpuNodesAtEnd",
    "MoreReplicasAsked",
    "PodFailed",
    "Recovered",
    "ReplicasReady",
    "ReplicasWanted",
    "RolledOut",
    "ScaledIn",
    "SloViolation",
    "VersionServed",
]

ElapsedSeconds = Annotated[float, Field(ge=0, le=86_400)]
NaturalNumber = Annotated[int, Field(ge=0)]


class MoreReplicasAsked(Settings):
    """The autoscaler requests more replicas soon after the load rises."""

    check: Literal["more_replicas_asked"]
    within_s: ElapsedSeconds
    """Seconds after the rise."""
    after_s: ElapsedSeconds | None = None
    """Second of the rise; none: the largest jump of the load."""


class Recovered(Settings):
    """The p99 of new requests is inside the objective soon after the last node that the load needs is ready."""

    check: Literal["recovered"]
    within_s: ElapsedSeconds
    """Seconds after that node, or after `after_s`."""
    after_s: ElapsedSeconds | None = None
    """Count from this second instead."""


class FailedRequests(Settings):
    """Few requests fail."""

    check: Literal["failed_requests"]
    at_most: NaturalNumber
    excuse: Literal["none", "in_flight_on_lost_node"] = "none"
    """`in_flight_on_lost_node`: those in flight in a replica when its node was lost do not count."""


class SloViolation(Settings):
    """Few seconds are outside the objective."""

    check: Literal["slo_violation"]
    at_most_s: ElapsedSeconds


class ReplicasWanted(Settings):
    """The number of requested replicas never falls below a bound."""

    check: Literal["replicas_wanted"]
    at_least: Annotated[int, Field(ge=1)]


class ReplicasReady(Settings):
    """The number of ready replicas never falls below a bound."""

    check: Literal["replicas_ready"]
    at_least: Annotated[int, Field(ge=1)]


class AlertFired(Settings):
    """An alert of the chart fires, and no longer does at the end if `resolved`."""

    check: Literal["alert_fired"]
    alert: str
    after_s: ElapsedSeconds = 0.0
    """It must begin to fire after this second: an earlier alert is not caused by the fault."""
    resolved: bool = False
    """It must also have ended."""


class PodFailed(Settings):
    """A replica fails with an expected reason and log line."""

    check: Literal["pod_failed"]
    version: Annotated[int, Field(ge=1)]
    says: str
    """Part of its last log lines."""
    reason: str = "CrashLoopBackOff"
    """The waiting reason in its status."""


class RolledOut(Settings):
    """All replicas have a version and are ready soon after a given time."""

    check: Literal["rolled_out"]
    version: Annotated[int, Field(ge=1)]
    after_s: ElapsedSeconds
    within_s: ElapsedSeconds


class VersionServed(Settings):
    """At the end the gateway answers with one version only."""

    check: Literal["version_served"]
    version: Annotated[int, Field(ge=1)]


class GpuNodesAtEnd(Settings):
    """The number of GPU nodes at the end is within bounds."""

    check: Literal["gpu_nodes_at_end"]
    at_most: NaturalNumber | None = None
    at_least: NaturalNumber | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> GpuNodesAtEnd:
        if self.at_most is None and self.at_least is None:
            raise ValueError("expected at_most, at_least, or both")
        return self


class ScaledIn(Settings):
    """At most a given number of replicas is requested soon after a given time."""

    check: Literal["scaled_in"]
    to: Annotated[int, Field(ge=0)]
    after_s: ElapsedSeconds
    within_s: ElapsedSeconds


Assertion = Annotated[
    MoreReplicasAsked
    | Recovered
    | FailedRequests
    | SloViolation
    | ReplicasWanted
    | ReplicasReady
    | AlertFired
    | PodFailed
    | RolledOut
    | VersionServed
    | GpuNodesAtEnd
    | ScaledIn,
    Field(discriminator="check"),
]
