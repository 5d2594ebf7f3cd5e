"""Assertions about the cluster: replicas, nodes, alerts, and the version that is served."""

from __future__ import annotations

import math
from collections.abc import Callable

from rehearsal.experiment.judge.evidence import Evidence
from rehearsal.experiment.result.observations import Sample
from rehearsal.experiment.result.result import AssertionResult
from rehearsal.experiment.scenario.assertions import (
    AlertFired,
    GpuNodesAtEnd,
    MoreReplicasAsked,
    PodFailed,
    ReplicasReady,
    ReplicasWanted,
    RolledOut,
    ScaledIn,
    VersionServed,
)

__all__ = [
    "check_alert_fired",
    "check_gpu_nodes_at_end",
    "check_more_replicas_asked",
    "check_pod_failed",
    "check_replicas_ready",
    "check_replicas_wanted",
    "check_rolled_out",
    "check_scaled_in",
    "check_version_served",
]

_NEVER = "never"
_NOT_OBSERVED = "not observed"


def check_more_replicas_asked(assertion: MoreReplicasAsked, evidence: Evidence) -> AssertionResult:
    """Time from the rise of the load until the autoscaler requested more replicas."""
    rise_s = evidence.scenario.load.jump_s if assertion.after_s is None else assertion.after_s
    got_s = evidence.asked_s(rise_s)
    return AssertionResult(
        name="more replicas requested",
        expected=f"≤ {assertion.within_s:g} s",
        got=_NEVER if got_s is None else f"{got_s:.1f} s",
        passed=got_s is not None and got_s <= assertion.within_s,
        sentence=f"From the rise of the load at {rise_s:g} s until the autoscaler requested more replicas.",
    )


def check_replicas_wanted(assertion: ReplicasWanted, evidence: Evidence) -> AssertionResult:
    """Fewest replicas that the Deployment requested in the window."""
    seen = [sample.wanted for sample in evidence.window_samples() if sample.wanted is not None]
    return _fewest("replicas requested", seen, assertion.at_least)


def check_replicas_ready(assertion: ReplicasReady, evidence: Evidence) -> AssertionResult:
    """Fewest ready replicas in the window."""
    seen = [sample.ready for sample in evidence.window_samples() if sample.ready is not None]
    return _fewest("replicas ready", seen, assertion.at_least)


def _fewest(name: str, seen: list[int], at_least: int) -> AssertionResult:
    return AssertionResult(
        name=name,
        expected=f"never below {at_least}",
        got=f"{min(seen)} at least" if seen else _NOT_OBSERVED,
        passed=bool(seen) and min(seen) >= at_least,
        sentence="Replicas of the Deployment, in every sample of the measured window.",
    )


def check_alert_fired(assertion: AlertFired, evidence: Evidence) -> AssertionResult:
    """Whether and when an alert fired, and ended."""
    spans = evidence.observed.alert_spans()
    every = sorted(
        span for (name, _, state), of_one in spans.items() if (name, state) == (assertion.alert, "firing")
        for span in of_one
    )  # fmt: skip
    fired = [span for span in every if span[0] >= assertion.after_s]
    pending = [
        span for (name, _, state), of_one in spans.items() if (name, state) == (assertion.alert, "pending")
        for span in of_one
    ]  # fmt: skip
    after = f" after {assertion.after_s:.0f} s" if assertion.after_s else ""
    ended = bool(fired) and all(end_s is not None for _, end_s in fired)
    if fired:
        end_s = max((end_s for _, end_s in fired if end_s is not None), default=0.0)
        got = f"fired at {fired[0][0]:.0f} s, " + (f"ended at {end_s:.0f} s" if ended else "fires still")
    else:
        got = f"pending at {min(pending)[0]:.0f} s, never fired" if pending else _NEVER
        if every:
            got = f"fired at {every[-1][0]:.0f} s, not after {assertion.after_s:.0f} s"
    return AssertionResult(
        name=f"alert {assertion.alert}",
        expected=f"fires{after}, and ends" if assertion.resolved else f"fires{after}",
        got=got,
        passed=ended if assertion.resolved else bool(fired),
        sentence="Prometheus' evaluation of the chart's own rule; see docs/runbooks.",
    )


def check_pod_failed(assertion: PodFailed, evidence: Evidence) -> AssertionResult:
    """Whether a replica of a version failed, with the given reason and log line."""
    of_version = [each for each in evidence.observed.failures if each.version == str(assertion.version)]
    matching = [
        each
        for each in of_version
        if each.reason == assertion.reason and any(assertion.says in line for line in each.lines)
    ]
    other = f"{of_version[-1].reason}: {of_version[-1].cause}" if of_version else _NEVER
    return AssertionResult(
        name=f"replica of version {assertion.version} fails",
        expected=f"{assertion.reason}, and logs “{assertion.says}”",
        got=f"at {matching[0].at_s:.0f} s" if matching else other,
        passed=bool(matching),
        sentence="The status of the new version's pod, and the last lines of its container's log.",
    )


def check_rolled_out(assertion: RolledOut, evidence: Evidence) -> AssertionResult:
    """Time until all replicas were of a version and ready."""
    version = str(assertion.version)
    return _check_within(
        assertion,
        evidence,
        lambda sample: _is_rolled_out(sample, version),
        name=f"version {version} rolled out",
        sentence="All replicas are of that version and ready; none of another is left but those that are draining.",
    )


def _is_rolled_out(sample: Sample, version: str) -> bool:
    staying = [pod for pod in sample.pods or () if not pod.leaving]
    ready = all(pod.version == version and pod.ready for pod in staying)
    return ready and 0 < (sample.wanted or 0) <= len(staying)


def check_version_served(assertion: VersionServed, evidence: Evidence) -> AssertionResult:
    """Model versions in responses of the gateway after the load."""
    served = evidence.observed.served
    return AssertionResult(
        name="version served at the end",
        expected=str(assertion.version),
        got=", ".join(served) or "no answer",
        passed=served == (str(assertion.version),),
        sentence="Model version in responses of the gateway after the load.",
    )


def check_gpu_nodes_at_end(assertion: GpuNodesAtEnd, evidence: Evidence) -> AssertionResult:
    """Billed GPU nodes at the end."""
    samples = evidence.observed.samples
    end_s = samples[-1].at_s if samples else evidence.window_s
    left = sum(node.exists(end_s) for node in evidence.observed.nodes)
    bounds = [("≥", assertion.at_least), ("≤", assertion.at_most)]
    return AssertionResult(
        name="GPU nodes at the end",
        expected=" and ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None),
        got=str(left),
        passed=(assertion.at_least or 0) <= left <= (math.inf if assertion.at_most is None else assertion.at_most),
        sentence="Nodes that are billed when the load ends.",
    )


def check_scaled_in(assertion: ScaledIn, evidence: Evidence) -> AssertionResult:
    """Time until no more than the given number of replicas were requested."""
    # A missing Deployment requests no replicas, which is not a decision of the autoscaler.
    fewest = min(1, assertion.to)
    return _check_within(
        assertion,
        evidence,
        lambda sample: sample.wanted is not None and fewest <= sample.wanted <= assertion.to,
        name=f"scaled in to {assertion.to}",
        sentence="The first sample in which the autoscaler requested at most that number.",
    )


def _check_within(
    assertion: RolledOut | ScaledIn, evidence: Evidence, holds: Callable[[Sample], bool], *, name: str, sentence: str
) -> AssertionResult:
    """Time from `after_s` until the first sample in which something holds."""
    done_s = next(
        (
            sample.at_s - assertion.after_s
            for sample in evidence.observed.samples
            if sample.at_s > assertion.after_s and holds(sample)
        ),
        None,
    )
    return AssertionResult(
        name=name,
        expected=f"≤ {assertion.within_s:g} s after second {assertion.after_s:g}",
        got=_NEVER if done_s is None else f"{done_s:.0f} s",
        passed=done_s is not None and done_s <= assertion.within_s,
        sentence=sentence,
    )
