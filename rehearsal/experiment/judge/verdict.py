"""The verdict: whether every assertion holds, and whether the measurement is valid.

INVALID takes precedence over FAIL: if the load generator or the cluster was the limit, the observations describe that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from rehearsal.experiment.judge import cluster_checks, load_checks
from rehearsal.experiment.judge.evidence import Evidence
from rehearsal.experiment.result.result import AssertionResult
from rehearsal.experiment.scenario import assertions
from slipway.verdict import Outcome, Verdict

__all__ = ["judge"]

_SATURATED = 0.9
"""Mean share of busy cores above which the machine counts as the limit."""
_GAPS = 0.2
"""Share of the samples that the API server may leave unanswered."""

_CHECKS: Mapping[type, Callable[[Any, Evidence], AssertionResult]] = {
    assertions.MoreReplicasAsked: cluster_checks.check_more_replicas_asked,
    assertions.Recovered: load_checks.check_recovered,
    assertions.FailedRequests: load_checks.check_failed_requests,
    assertions.SloViolation: load_checks.check_slo_violation,
    assertions.ReplicasWanted: cluster_checks.check_replicas_wanted,
    assertions.ReplicasReady: cluster_checks.check_replicas_ready,
    assertions.AlertFired: cluster_checks.check_alert_fired,
    assertions.PodFailed: cluster_checks.check_pod_failed,
    assertions.RolledOut: cluster_checks.check_rolled_out,
    assertions.VersionServed: cluster_checks.check_version_served,
    assertions.GpuNodesAtEnd: cluster_checks.check_gpu_nodes_at_end,
    assertions.ScaledIn: cluster_checks.check_scaled_in,
}
"""How each kind of assertion is checked."""


def judge(evidence: Evidence) -> Verdict[AssertionResult]:
    """Check every assertion against the observations."""
    checks = tuple(_CHECKS[type(each)](each, evidence) for each in evidence.scenario.expect)
    failed = [f"{each.name}: expected {each.expected}, got {each.got}" for each in checks if not each.passed]
    invalid = [*_load_problems(evidence), *_action_problems(evidence), *_cluster_problems(evidence)]
    if failed:
        invalid += _machine_problems(evidence)
    outcome: Outcome = "INVALID" if invalid else "FAIL" if failed else "PASS"
    return Verdict(outcome=outcome, checks=checks, reasons=tuple(invalid or failed))


def _load_problems(evidence: Evidence) -> list[str]:
    verdict = evidence.load.verdict
    return list(verdict.reasons) if verdict.outcome == "INVALID" else []


def _action_problems(evidence: Evidence) -> list[str]:
    """Actions of the scenario that failed or were not reached: each action that was done left an event."""
    events = [event for event in evidence.observed.events if event.kind == "action"]
    invalid = [f"at {event.at_s:.0f} s: {event.detail}" for event in events if event.warning]
    done = Counter(event.what for event in events)
    for action in sorted(evidence.scenario.actions, key=lambda action: action.at_s):
        if done[action.do]:
            done[action.do] -= 1
        elif action.at_s < evidence.window_s:
            invalid.append(f"at {action.at_s:g} s: {action.do} was not done before the load ended")
    return invalid


def _machine_problems(evidence: Evidence) -> list[str]:
    """A saturated machine invalidates a FAIL only: a PASS was reached in spite of it."""
    busy = [sample.busy for sample in evidence.window_samples() if sample.busy is not None]
    share = sum(busy) / len(busy) if busy else 0.0
    if share <= _SATURATED:
        return []
    reason = (
        f"the machine was saturated: {share:.0%} of its cores were busy, the limit is {_SATURATED:.0%}, so it may have "
        "been the bottleneck; end other programs, or use a larger machine"
    )
    return [reason]


def _cluster_problems(evidence: Evidence) -> list[str]:
    """Faults of the control plane that the scenario did not cause."""
    spans = evidence.stopped()
    samples = [
        sample
        for sample in evidence.window_samples()
        if not any(begin_s <= sample.at_s <= end_s for begin_s, end_s in spans)
    ]
    if not samples and not spans:
        return ["the cluster was not observed: no sample of it was answered"]
    unhealthy = Counter(name for sample in samples for name in sample.unhealthy)
    invalid = [
        f"the cluster was unhealthy: {name} failed its health check in {count} of {len(samples)} samples; see its log"
        for name, count in sorted(unhealthy.items())
    ]
    unanswered = sum("apiserver" in sample.gaps for sample in samples)
    if unanswered > _GAPS * len(samples):
        invalid.append(
            f"the API server did not answer in {unanswered} of {len(samples)} samples: events may be missing"
        )
    return invalid
