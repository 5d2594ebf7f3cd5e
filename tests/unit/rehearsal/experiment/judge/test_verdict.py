"""The pass rules of a rehearsal: each check on what was seen."""

import pytest

from rehearsal.experiment.judge import judge
from tests.unit.rehearsal_results import (
    action,
    alert,
    evidence,
    failure,
    node,
    observed,
    only,
    pod,
    second,
    seconds,
    seen_from,
)


def failing(*at, count=3):
    """Calm seconds; some requests of the given ones fail."""

    return seconds(lambda number: second(number, failed=count if number in at else 0))


def test_a_step_that_is_followed_and_gets_over_it_passes():
    verdict = judge(evidence())

    assert "PASS" == verdict.outcome
    assert ("12.0 s", "6.0 s after") == tuple(check.got for check in verdict.checks)
    assert () == verdict.reasons


@pytest.mark.parametrize(("within_s", "passed"), [(12, True), (11.9, False)])
def test_more_replicas_are_asked_for_within_the_bound_or_too_late(within_s, passed):
    assert passed == only({"check": "more_replicas_asked", "within_s": within_s}).passed


def test_an_autoscaler_that_never_asks_fails_and_is_told_as_a_reason():
    seen = seen_from(lambda _: {"wanted": 1, "desired": 1})
    verdict = judge(evidence(seen=seen))

    assert "FAIL" == verdict.outcome
    assert "more replicas requested: expected ≤ 20 s, got never" in verdict.reasons


def test_replicas_that_were_asked_for_before_the_rise_are_no_answer_to_it():
    seen = seen_from(lambda at_s: {"wanted": 4 if at_s >= 10 else 1, "desired": 4})

    assert not only({"check": "more_replicas_asked", "within_s": 60}, seen=seen).passed


def test_one_replica_is_more_than_none():
    seen = seen_from(lambda at_s: {"wanted": 1 if at_s >= 30 else 0, "desired": None})

    assert "10.0 s" == only({"check": "more_replicas_asked", "within_s": 20}, seen=seen).got


@pytest.mark.parametrize(("at", "passed"), [((), True), ((40,), False)])
def test_no_request_may_fail(at, passed):
    assert passed == only({"check": "failed_requests", "at_most": 0}, rows=failing(*at)).passed


EXCUSED = {"check": "failed_requests", "at_most": 0, "excuse": "in_flight_on_lost_node"}
LOSS = [{"at_s": 50, "do": "lose_node"}]


def lost(rows):
    seen = observed(events=(action(50.2, "lose_node"),))
    return only(EXCUSED, rows=rows, seen=seen, actions=LOSS)


def test_requests_inside_a_lost_replica_are_excused():
    check = lost(failing(50))

    assert check.passed
    assert "3, 3 of them in flight in a lost replica" == check.got


def test_more_failures_than_a_replica_can_hold_are_not_excused():
    # 900/s for 32 ms in one replica are 29 requests.
    assert not lost(failing(50, count=200)).passed


@pytest.mark.parametrize("at", [40, 60])
def test_failures_long_before_or_after_the_loss_are_not_excused(at):
    assert not lost(failing(at)).passed


def test_failures_are_excused_only_where_a_node_was_lost():
    assert not only(EXCUSED, rows=failing(50)).passed


def test_replicas_may_not_fall_below_the_bound_within_the_window():
    seen = seen_from(lambda at_s: {"ready": 1 if at_s == 40 else 2, "wanted": 2})

    assert "1 at least" == only({"check": "replicas_ready", "at_least": 2}, seen=seen).got
    assert not only({"check": "replicas_ready", "at_least": 2}, seen=seen).passed
    assert only({"check": "replicas_wanted", "at_least": 2}, seen=seen).passed


def test_what_was_before_the_window_is_not_judged():
    seen = seen_from(lambda at_s: {"ready": 0 if at_s < 0 else 2})

    assert only({"check": "replicas_ready", "at_least": 2}, seen=seen).passed


def test_replicas_that_nobody_saw_did_not_hold():
    seen = seen_from(lambda _: {"ready": None, "gaps": ("apiserver",)})

    assert ("not observed", False) == (
        (check := only({"check": "replicas_ready", "at_least": 1}, seen=seen)).got,
        check.passed,
    )


def alerts(*spans):
    """Spans of (begin, end, state)."""
    return seen_from(
        lambda at_s: {"alerts": tuple(alert(state=state) for begin_s, end_s, state in spans if begin_s <= at_s < end_s)}
    )


def test_an_alert_that_fires_is_enough_unless_it_must_end():
    fired = {"check": "alert_fired", "alert": "SlipwayPodUnschedulable"}
    resolved = fired | {"resolved": True}
    still, over = alerts((40, 99, "firing")), alerts((30, 40, "pending"), (40, 60, "firing"))

    assert only(fired, seen=over).passed
    assert ("fired at 40 s, ended at 60 s", True) == ((one := only(resolved, seen=over)).got, one.passed)
    assert only(fired, seen=alerts((40, 100, "firing"))).got == "fired at 40 s, fires still"
    assert not only(resolved, seen=alerts((40, 100, "firing"))).passed
    assert only(resolved, seen=still).passed


def test_an_alert_that_fired_before_the_fault_tells_nothing_of_it():
    expected = {"check": "alert_fired", "alert": "SlipwayPodUnschedulable", "after_s": 50}
    before = only(expected, seen=alerts((40, 100, "firing")))
    again = only(expected, seen=alerts((10, 20, "firing"), (60, 100, "firing")))

    assert ("fired at 40 s, not after 50 s", False) == (before.got, before.passed)
    assert ("fired at 60 s, fires still", True) == (again.got, again.passed)


def test_a_pending_alert_has_not_fired():
    check = only({"check": "alert_fired", "alert": "SlipwayPodUnschedulable"}, seen=alerts((40, 60, "pending")))

    assert ("pending at 40 s, never fired", False) == (check.got, check.passed)


def test_an_alert_stays_as_it_was_while_prometheus_does_not_answer():
    def look(at_s):
        if 50 <= at_s < 70:
            return {"alerts": None, "gaps": ("prometheus",)}
        return {"alerts": (alert(),) if 40 <= at_s < 80 else ()}

    spans = seen_from(look).alert_spans()

    assert ((40.0, 80.0),) == spans["SlipwayPodUnschedulable", "", "firing"]


FAILS = {"check": "pod_failed", "version": 2, "says": "model.onnx: FAILED"}


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({}, True),
        ({"version": "1"}, False),
        ({"reason": "Error"}, False),
        ({"lines": ("something else",)}, False),
    ],
)
def test_a_replica_fails_for_the_expected_reason_only(changes, passed):
    assert passed == only(FAILS, seen=observed(failures=(failure(**changes),))).passed


def test_a_failure_of_another_kind_is_told_with_the_line_that_says_most():
    lines = ("I1124 loading", "error: load failed for model 'mnist'", "", "At:", ";")
    check = only(FAILS, seen=observed(failures=(failure(lines=lines),)))

    assert "CrashLoopBackOff: error: load failed for model 'mnist'" == check.got
    assert "At:" == failure(lines=("", "At:", ";")).cause
    assert "nothing" == failure(lines=()).cause


def test_a_roll_out_is_over_when_all_replicas_that_stay_are_new_and_ready():
    def look(at_s):
        old = (pod("a", leaving=True),) if at_s < 70 else ()
        new = tuple(pod(name, version="2", ready=at_s >= 50) for name in "bc")
        return {"pods": (*old, *new) if at_s >= 30 else (pod("a"),), "wanted": 2}

    expectation = {"check": "rolled_out", "version": 2, "after_s": 30, "within_s": 25}

    assert ("20 s", True) == ((one := only(expectation, seen=seen_from(look))).got, one.passed)
    assert not only(expectation | {"within_s": 10}, seen=seen_from(look)).passed
    assert not only(expectation | {"version": 3}, seen=seen_from(look)).passed


def test_pods_of_a_deployment_that_is_gone_are_no_roll_out():
    seen = seen_from(lambda _: {"pods": (pod(version="2"),), "wanted": 0})

    assert not only({"check": "rolled_out", "version": 2, "after_s": 30, "within_s": 25}, seen=seen).passed


@pytest.mark.parametrize(("served", "passed"), [(("1",), True), (("1", "2"), False), ((), False)])
def test_one_version_and_no_other_answers_at_the_end(served, passed):
    assert passed == only({"check": "version_served", "version": 1}, seen=observed(served=served)).passed


@pytest.mark.parametrize(
    ("bounds", "passed"), [({"at_most": 4}, True), ({"at_most": 3}, False), ({"at_least": 5}, False)]
)
def test_nodes_are_counted_at_the_end(bounds, passed):
    assert passed == only({"check": "gpu_nodes_at_end", **bounds}).passed


def test_a_node_that_is_gone_is_not_there_at_the_end():
    seen = observed(nodes=(node(), node("b", gone_s=50.0)))

    assert only({"check": "gpu_nodes_at_end", "at_most": 1}, seen=seen).passed


def test_scaling_in_counts_from_the_moment_that_is_named():
    seen = seen_from(lambda at_s: {"wanted": 1 if at_s >= 60 else 4})
    expectation = {"check": "scaled_in", "to": 1, "after_s": 40, "within_s": 20}

    assert ("20 s", True) == ((one := only(expectation, seen=seen)).got, one.passed)
    assert not only(expectation | {"to": 0}, seen=seen).passed


@pytest.mark.parametrize(("to", "got"), [(1, "never"), (0, "5 s")])
def test_no_replica_at_all_is_scaled_in_only_where_none_is_expected(to, got):
    seen = seen_from(lambda at_s: {"wanted": 0 if 45 <= at_s < 50 else 4})

    assert got == only({"check": "scaled_in", "to": to, "after_s": 40, "within_s": 20}, seen=seen).got
