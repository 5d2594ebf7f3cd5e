"""Each expectation against what was seen. One function a check, chosen by the expectation's type."""

from __future__ import annotations

import math
from functools import singledispatch

from rehearsal.experiment.judge.evidence import HELD_S, Evidence
from rehearsal.experiment.result.observations import Sample
from rehearsal.experiment.result.result import Check
from rehearsal.experiment.scenario.assertions import (
    AlertFired,
    FailedRequests,
    FewestReady,
    FewestWanted,
    GpuNodesAtEnd,
    MoreReplicasAsked,
    PodFailed,
    Recovered,
    RolledOut,
    ScaledIn,
    SloViolation,
    VersionServed,
)

__all__ = ["check"]

_NEVER = "never"
_UNKNOWN = "not seen"


@singledispatch
def check(expectation: object, _evidence: Evidence) -> Check:
    """Hold one expectation against what was seen."""
    raise NotImplementedError(type(expectation).__name__)


@check.register
def _(expectation: MoreReplicasAsked, evidence: Evidence) -> Check:
    rise_s = evidence.scenario.load.jump_s if expectation.after_s is None else expectation.after_s
    got_s = evidence.asked_s(rise_s)
    return Check(
        name="more replicas asked for",
        expected=f"≤ {expectation.within_s:g} s",
        got=_NEVER if got_s is None else f"{got_s:.1f} s",
        passed=got_s is not None and got_s <= expectation.within_s,
        sentence=f"From the rise of the load at {rise_s:g} s until the autoscaler asked for more than it had before.",
    )


@check.register
def _(expectation: Recovered, evidence: Evidence) -> Check:
    bound_ms, jump_s = evidence.scenario.slo.p99_ms, evidence.scenario.load.jump_s
    after = "the last GPU node that the load needs was ready" if evidence.gpus_per_replica else f"second {jump_s:g}"
    base_s = evidence.nodes_ready_s()
    if expectation.after_s is not None:
        after, base_s = f"second {expectation.after_s:g}", expectation.after_s
    recovered_s = evidence.recovered_s(min(jump_s, base_s or 0.0) if expectation.after_s is None else base_s or 0.0)
    if base_s is None:
        got, passed = "the nodes that the load needs never came", False
    elif recovered_s is None:
        got, passed = _NEVER, False
    else:
        late_s = recovered_s - base_s
        got = f"{late_s:.1f} s after" if late_s > 0 else "before it" if late_s < 0 else "at once"
        passed = late_s <= expectation.within_s
    return Check(
        name="p99 inside the objective again",
        expected=f"≤ {expectation.within_s:g} s after {after}",
        got=got,
        passed=passed,
        sentence=(
            f"p99 of the requests due in a second ≤ {bound_ms:g} ms, failed ones counted as endless waits, in each of "
            f"the {HELD_S} seconds from there, and over all requests from there to the end."
        ),
    )


@check.register
def _(expectation: FailedRequests, evidence: Evidence) -> Check:
    figures = evidence.load.figures
    failed = figures.due - figures.answered
    excused = _in_flight_on_lost_nodes(evidence) if expectation.excuse == "in_flight_on_lost_node" else 0
    got = f"{failed:,}" + (f", {excused:,} of them inside a lost replica" if excused else "")
    sentence = "Requests due in the measured window without a right answer in time."
    if expectation.excuse == "in_flight_on_lost_node":
        sentence += (
            " Those due when the node vanished do not count, up to the number inside one replica then (Little's law)."
        )
    return Check(
        name="failed requests",
        expected=f"≤ {expectation.at_most:,}",
        got=got,
        passed=failed - excused <= expectation.at_most,
        sentence=sentence,
    )


def _in_flight_on_lost_nodes(evidence: Evidence) -> int:
    """Failures that a lost node explains: due around its end, no more than were inside one replica."""
    excused = 0
    for event in evidence.observed.actions("lose_node"):
        ready = max((s.ready or 1 for s in evidence.observed.samples if s.at_s <= event.at_s), default=1)
        near = [row for row in evidence.seconds if event.at_s - evidence.scenario.load.timeout_s - 1 <= row.second]
        near = [row for row in near if row.second <= event.at_s]
        calm = [row for row in evidence.seconds if row.second < math.floor(event.at_s)] or near
        inside = math.ceil(calm[-1].due * calm[-1].mean_s / ready) if calm else 0
        excused += min(sum(row.failed for row in near), inside)
    return excused


@check.register
def _(expectation: SloViolation, evidence: Evidence) -> Check:
    got_s = sum(not row.inside for row in evidence.seconds)
    return Check(
        name="seconds outside the objective",
        expected=f"≤ {expectation.at_most_s:g} s",
        got=f"{got_s} s",
        passed=got_s <= expectation.at_most_s,
        sentence=(
            f"Seconds of which less than 99 % of the requests were answered within {evidence.scenario.slo.p99_ms:g} ms."
        ),
    )


@check.register
def _(expectation: FewestWanted, evidence: Evidence) -> Check:
    seen = [sample.wanted for sample in evidence.window_samples() if sample.wanted is not None]
    return _fewest("replicas asked for", seen, expectation.at_least)


@check.register
def _(expectation: FewestReady, evidence: Evidence) -> Check:
    seen = [sample.ready for sample in evidence.window_samples() if sample.ready is not None]
    return _fewest("replicas ready", seen, expectation.at_least)


def _fewest(name: str, seen: list[int], at_least: int) -> Check:
    return Check(
        name=name,
        expected=f"never below {at_least}",
        got=f"{min(seen)} at least" if seen else _UNKNOWN,
        passed=bool(seen) and min(seen) >= at_least,
        sentence="Of the Deployment, in every look at it within the measured window.",
    )


@check.register
def _(expectation: AlertFired, evidence: Evidence) -> Check:
    spans = evidence.observed.alert_spans()
    every = sorted(
        span for (name, _, state), of_one in spans.items() if (name, state) == (expectation.alert, "firing")
        for span in of_one
    )  # fmt: skip
    fired = [span for span in every if span[0] >= expectation.after_s]
    pending = [
        span for (name, _, state), of_one in spans.items() if (name, state) == (expectation.alert, "pending")
        for span in of_one
    ]  # fmt: skip
    after = f" after {expectation.after_s:.0f} s" if expectation.after_s else ""
    ended = bool(fired) and all(end_s is not None for _, end_s in fired)
    if fired:
        end_s = max((end_s for _, end_s in fired if end_s is not None), default=0.0)
        got = f"fired at {fired[0][0]:.0f} s, " + (f"ended at {end_s:.0f} s" if ended else "fires still")
    else:
        got = f"pending at {min(pending)[0]:.0f} s, never fired" if pending else _NEVER
        if every:
            got = f"fired at {every[-1][0]:.0f} s, not after {expectation.after_s:.0f} s"
    return Check(
        name=f"alert {expectation.alert}",
        expected=f"fires{after}, and ends" if expectation.resolved else f"fires{after}",
        got=got,
        passed=ended if expectation.resolved else bool(fired),
        sentence="As Prometheus evaluates the chart's own rule; docs/runbooks says what it means.",
    )


@check.register
def _(expectation: PodFailed, evidence: Evidence) -> Check:
    of_version = [each for each in evidence.observed.failures if each.version == str(expectation.version)]
    found = [
        each
        for each in of_version
        if each.reason == expectation.reason and any(expectation.says in line for line in each.lines)
    ]
    other = f"{of_version[-1].reason}: {of_version[-1].last_word}" if of_version else _NEVER
    return Check(
        name=f"replica of version {expectation.version} fails",
        expected=f"{expectation.reason}, and says “{expectation.says}”",
        got=f"at {found[0].at_s:.0f} s" if found else other,
        passed=bool(found),
        sentence="The status of the new version's pod, and the last lines of its container's log.",
    )


@check.register
def _(expectation: RolledOut, evidence: Evidence) -> Check:
    version = str(expectation.version)
    done_s = next(
        (
            sample.at_s - expectation.after_s
            for sample in evidence.observed.samples
            if sample.at_s > expectation.after_s and _is_rolled_out(sample, version)
        ),
        None,
    )
    return Check(
        name=f"version {version} rolled out",
        expected=f"≤ {expectation.within_s:g} s after second {expectation.after_s:g}",
        got=_NEVER if done_s is None else f"{done_s:.0f} s",
        passed=done_s is not None and done_s <= expectation.within_s,
        sentence="All replicas are of that version and ready; none of another is left but those that are draining.",
    )


def _is_rolled_out(sample: Sample, version: str) -> bool:
    staying = [pod for pod in sample.pods or () if not pod.leaving]
    ready = all(pod.version == version and pod.ready for pod in staying)
    return ready and 0 < (sample.wanted or 0) <= len(staying)


@check.register
def _(expectation: VersionServed, evidence: Evidence) -> Check:
    served = evidence.observed.served
    return Check(
        name="version served at the end",
        expected=str(expectation.version),
        got=", ".join(served) or "no answer",
        passed=served == (str(expectation.version),),
        sentence="What the answers through the gateway name as their version after the load.",
    )


@check.register
def _(expectation: GpuNodesAtEnd, evidence: Evidence) -> Check:
    samples = evidence.observed.samples
    end_s = samples[-1].at_s if samples else evidence.window_s
    left = sum(node.exists(end_s) for node in evidence.observed.nodes)
    bounds = [("≥", expectation.at_least), ("≤", expectation.at_most)]
    return Check(
        name="GPU nodes at the end",
        expected=" and ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None),
        got=str(left),
        passed=(expectation.at_least or 0)
        <= left
        <= (math.inf if expectation.at_most is None else expectation.at_most),
        sentence="Nodes that are paid for when the load ends.",
    )


@check.register
def _(expectation: ScaledIn, evidence: Evidence) -> Check:
    # A Deployment that is not there asks for none: no answer of an autoscaler that is to keep one.
    fewest = min(1, expectation.to)
    done_s = next(
        (
            sample.at_s - expectation.after_s
            for sample in evidence.observed.samples
            if sample.at_s > expectation.after_s
            and sample.wanted is not None
            and fewest <= sample.wanted <= expectation.to
        ),
        None,
    )
    return Check(
        name=f"scaled in to {expectation.to}",
        expected=f"≤ {expectation.within_s:g} s after second {expectation.after_s:g}",
        got=_NEVER if done_s is None else f"{done_s:.0f} s",
        passed=done_s is not None and done_s <= expectation.within_s,
        sentence="The first look in which the autoscaler asked for no more than that.",
    )
