"""Whether every expectation holds, and whether the rehearsal can say so.

INVALID goes before FAIL: where the load generator or the cluster itself was the limit, what was seen describes them.
"""

from __future__ import annotations

from collections import Counter

from loadtest.result.metrics import Outcome
from rehearsal.experiment.judge.checks import check
from rehearsal.experiment.judge.evidence import Evidence
from rehearsal.experiment.result.result import Verdict

__all__ = ["judge"]

_FULL = 0.9
"""Mean share of the machine's cores above which it counts as the limit."""
_GAPS = 0.2
"""Share of the samples that the API server may leave unanswered."""


def judge(evidence: Evidence) -> Verdict:
    """Hold what was seen against every expectation."""
    checks = tuple(check(expectation, evidence) for expectation in evidence.scenario.expect)
    failed = [f"{each.name}: expected {each.expected}, got {each.got}" for each in checks if not each.passed]
    doubts = [*_load_doubts(evidence), *_action_doubts(evidence), *_cluster_doubts(evidence)]
    if failed:
        doubts += _machine_doubts(evidence)
    outcome: Outcome = "INVALID" if doubts else "FAIL" if failed else "PASS"
    return Verdict(outcome=outcome, checks=checks, reasons=tuple(doubts or failed))


def _load_doubts(evidence: Evidence) -> list[str]:
    verdict = evidence.load.verdict
    return list(verdict.reasons) if verdict.outcome == "INVALID" else []


def _action_doubts(evidence: Evidence) -> list[str]:
    """What the scenario wanted to do, and could not, or never came to: each action that was done left an event."""
    events = [event for event in evidence.observed.events if event.kind == "action"]
    doubts = [f"at {event.at_s:.0f} s: {event.detail}" for event in events if event.warning]
    done = Counter(event.what for event in events)
    for action in sorted(evidence.scenario.actions, key=lambda action: action.at_s):
        if done[action.do]:
            done[action.do] -= 1
        elif action.at_s < evidence.window_s:
            doubts.append(f"at {action.at_s:g} s: {action.do} was not done before the load ended")
    return doubts


def _machine_doubts(evidence: Evidence) -> list[str]:
    """A full machine is a doubt about a FAIL alone: what was fast enough in spite of it is fast enough."""
    busy = [sample.busy for sample in evidence.window_samples() if sample.busy is not None]
    share = sum(busy) / len(busy) if busy else 0.0
    if share <= _FULL:
        return []
    doubt = (
        f"this machine was full: {share:.0%} of its cores were busy, the limit is {_FULL:.0%}, so it may have been the "
        "slow one; end what else runs here, or take a larger machine"
    )
    return [doubt]


def _cluster_doubts(evidence: Evidence) -> list[str]:
    """What was wrong with the control plane outside of what the scenario itself did to it."""
    spans = evidence.stopped()
    samples = [
        sample
        for sample in evidence.window_samples()
        if not any(begin_s <= sample.at_s <= end_s for begin_s, end_s in spans)
    ]
    if not samples and not spans:
        return ["the cluster was not seen: not one look at it was answered"]
    sick = Counter(name for sample in samples for name in sample.unhealthy)
    doubts = [
        f"the cluster was not healthy: {name} did not do its work in {count} of {len(samples)} looks; see its log"
        for name, count in sorted(sick.items())
    ]
    blind = sum("apiserver" in sample.gaps for sample in samples)
    if blind > _GAPS * len(samples):
        doubts.append(
            f"the API server did not answer in {blind} of {len(samples)} looks: what happened meanwhile is not known"
        )
    return doubts
