"""Assertions about the users' view: latency, failed requests, seconds outside the objective."""

from __future__ import annotations

import math

from rehearsal.experiment.judge.evidence import HELD_S, Evidence
from rehearsal.experiment.result.result import AssertionResult
from rehearsal.experiment.scenario.assertions import (
    FailedRequests,
    Recovered,
    SloViolation,
)

__all__ = [
    "check_failed_requests",
    "check_recovered",
    "check_slo_violation",
]

_NEVER = "never"


def check_recovered(assertion: Recovered, evidence: Evidence) -> AssertionResult:
    """Time until the objective held again, after the nodes that the load needs were ready."""
    bound_ms, jump_s = evidence.scenario.slo.p99_ms, evidence.scenario.load.jump_s
    after = "the last GPU node that the load needs was ready" if evidence.gpus_per_replica else f"second {jump_s:g}"
    base_s = evidence.nodes_ready_s()
    if assertion.after_s is not None:
        after, base_s = f"second {assertion.after_s:g}", assertion.after_s
    recovered_s = evidence.recovered_s(min(jump_s, base_s or 0.0) if assertion.after_s is None else base_s or 0.0)
    if base_s is None:
        got, passed = "the nodes that the load needs never became ready", False
    elif recovered_s is None:
        got, passed = _NEVER, False
    else:
        late_s = recovered_s - base_s
        got = f"{late_s:.1f} s after" if late_s > 0 else "before it" if late_s < 0 else "at once"
        passed = late_s <= assertion.within_s
    return AssertionResult(
        name="p99 inside the objective again",
        expected=f"≤ {assertion.within_s:g} s after {after}",
        got=got,
        passed=passed,
        sentence=(
            f"p99 of the requests due in a second ≤ {bound_ms:g} ms, failed ones counted as endless waits, in each of "
            f"the {HELD_S} seconds from there, and over all requests from there to the end."
        ),
    )


def check_failed_requests(assertion: FailedRequests, evidence: Evidence) -> AssertionResult:
    """Requests without a correct answer in time."""
    figures = evidence.load.figures
    failed = figures.due - figures.answered
    excused = _in_flight_on_lost_nodes(evidence) if assertion.excuse == "in_flight_on_lost_node" else 0
    got = f"{failed:,}" + (f", {excused:,} of them in flight in a lost replica" if excused else "")
    sentence = "Requests due in the measured window without a correct response in time."
    if assertion.excuse == "in_flight_on_lost_node":
        sentence += (
            " Those due when the node vanished do not count, up to the number in flight in one replica (Little's law)."
        )
    return AssertionResult(
        name="failed requests",
        expected=f"≤ {assertion.at_most:,}",
        got=got,
        passed=failed - excused <= assertion.at_most,
        sentence=sentence,
    )


def _in_flight_on_lost_nodes(evidence: Evidence) -> int:
    """Failures that a lost node explains: due around its loss, at most the requests in flight in one replica."""
    excused = 0
    for event in evidence.observed.actions("lose_node"):
        ready = max((s.ready or 1 for s in evidence.observed.samples if s.at_s <= event.at_s), default=1)
        near = [row for row in evidence.seconds if event.at_s - evidence.scenario.load.timeout_s - 1 <= row.second]
        near = [row for row in near if row.second <= event.at_s]
        calm = [row for row in evidence.seconds if row.second < math.floor(event.at_s)] or near
        inside = math.ceil(calm[-1].due * calm[-1].mean_s / ready) if calm else 0
        excused += min(sum(row.failed for row in near), inside)
    return excused


def check_slo_violation(assertion: SloViolation, evidence: Evidence) -> AssertionResult:
    """Seconds outside the objective."""
    got_s = sum(not row.inside for row in evidence.seconds)
    return AssertionResult(
        name="seconds outside the objective",
        expected=f"≤ {assertion.at_most_s:g} s",
        got=f"{got_s} s",
        passed=got_s <= assertion.at_most_s,
        sentence=(
            f"Seconds of which less than 99 % of the requests were answered within {evidence.scenario.slo.p99_ms:g} ms."
        ),
    )
