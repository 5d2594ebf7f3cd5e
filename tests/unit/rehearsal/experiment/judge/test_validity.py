"""When a rehearsal says nothing of the service: its generator, its cluster, its machine or its actions failed it."""

import pytest

from rehearsal.experiment.judge import judge
from rehearsal.experiment.result.observations import Event
from tests.unit import loadtest_results
from tests.unit.rehearsal_results import action, evidence, observed, scenario, seconds, seen_from


def test_a_generator_that_was_the_limit_makes_it_invalid_whatever_was_seen():
    slow = loadtest_results.result().verdict.model_copy(update={"outcome": "INVALID", "reasons": ("it lagged",)})
    proof = evidence(verdict=slow)

    assert ("INVALID", ("it lagged",)) == ((verdict := judge(proof)).outcome, verdict.reasons)


def test_a_sick_control_plane_makes_it_invalid_unless_the_scenario_made_it_sick():
    seen = seen_from(lambda at_s: {"unhealthy": ("prometheus",) if 40 <= at_s < 60 else ()})
    down = [
        {"at_s": 38, "do": "stop", "programs": ["prometheus"]},
        {"at_s": 55, "do": "start", "programs": ["prometheus"]},
    ]
    verdict = judge(evidence(seen=seen))
    done = seen.model_copy(update={"events": (action(38.1, "stop"), action(55.1, "start"))})

    assert "INVALID" == verdict.outcome
    assert "prometheus failed its health check in 20 of 100 samples" in verdict.reasons[0]
    assert "PASS" == judge(evidence(scenario(actions=down), seen=done)).outcome


def test_a_program_that_is_unhealthy_in_the_last_samples_makes_it_invalid():
    # The recorder tells of a program only after two failed checks in a row.
    seen = seen_from(lambda at_s: {"unhealthy": ("kserve",) if 97 <= at_s else ()})

    assert "INVALID" == judge(evidence(seen=seen)).outcome


@pytest.mark.parametrize(("busy", "outcome"), [(0.97, "INVALID"), (0.8, "FAIL")])
def test_a_saturated_machine_makes_a_failure_invalid(busy, outcome):
    seen = seen_from(lambda _: {"busy": busy, "wanted": 1, "desired": 1})

    assert outcome == judge(evidence(seen=seen)).outcome


def test_what_passes_on_a_saturated_machine_passes():
    assert "PASS" == judge(evidence(seen=seen_from(lambda _: {"busy": 0.97}))).outcome


def test_a_silent_api_server_makes_it_invalid():
    seen = seen_from(lambda at_s: {"gaps": ("apiserver",) if at_s > 60 else ()})

    assert "INVALID" == judge(evidence(seen=seen)).outcome


def test_a_cluster_that_was_never_seen_makes_it_invalid():
    assert "INVALID" == judge(evidence(seen=observed(samples=()))).outcome


def test_an_action_that_could_not_be_done_makes_it_invalid():
    failed = Event(at_s=50, kind="action", subject="", what="lose_node", detail="it failed: no node", warning=True)
    verdict = judge(evidence(seen=observed(events=(failed,))))

    assert ("INVALID", ("at 50 s: it failed: no node",)) == (verdict.outcome, verdict.reasons)


TWO_LOSSES = [
    {"at_s": 70, "do": "lose_node"},
    {"at_s": 40, "do": "lose_node"},
    {"at_s": 60, "do": "serve", "version": 1},
]


def doing(*events, **changes):
    """Judge a scenario of three actions of which these left an event."""
    return judge(evidence(scenario(actions=TWO_LOSSES), seen=observed(events=events), **changes))


def test_an_action_that_was_never_done_makes_it_invalid():
    verdict = doing(action(-2.9, "restore_min_replicas"), action(40.1, "lose_node"))

    assert "INVALID" == verdict.outcome
    assert (
        "at 60 s: serve was not done before the load ended",
        "at 70 s: lose_node was not done before the load ended",
    ) == verdict.reasons


def test_actions_that_were_all_done_are_no_doubt():
    assert "PASS" == doing(action(40.1, "lose_node"), action(60.1, "serve"), action(75.0, "lose_node")).outcome


def test_what_would_have_been_done_after_an_interruption_is_not_missed():
    rows = seconds(window_s=65)
    verdict = doing(action(40.1, "lose_node"), action(60.1, "serve"), rows=rows)

    assert not [reason for reason in verdict.reasons if "was not done" in reason]
