"""The pass rules of a rehearsal: each check on what was seen, and when nothing can be said."""

import pytest

from rehearsal.judge import figures, judge
from rehearsal.observed import Event
from tests.unit import loadtest_results
from tests.unit.rehearsal_results import (
    CALM_S,
    action,
    alert,
    evidence,
    failure,
    node,
    nodes,
    observed,
    pod,
    sample,
    samples,
    scenario,
    second,
    seconds,
)


def only(expectation, *, rows=None, seen=None, **sections):
    """The one check of a scenario with one expectation."""
    (found,) = judge(evidence(scenario(expect=[expectation], **sections), rows, seen)).checks
    return found


def calm(number):
    return second(number, due=900 if number >= 20 else 150)


def failing(*at, count=3):
    """Calm seconds; some requests of the given ones fail."""

    return seconds(lambda number: second(number, failed=count if number in at else 0))


def seen_from(change):
    """Looks with some fields that depend on the second."""
    return observed(samples=samples(lambda at_s: sample(at_s, **change(at_s))))


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
    assert "more replicas asked for: expected ≤ 20 s, got never" in verdict.reasons


def test_replicas_that_were_asked_for_before_the_rise_are_no_answer_to_it():
    seen = seen_from(lambda at_s: {"wanted": 4 if at_s >= 10 else 1, "desired": 4})

    assert not only({"check": "more_replicas_asked", "within_s": 60}, seen=seen).passed


def test_the_time_to_recover_counts_from_the_last_node_that_the_load_needs():
    # Three are needed; the fourth comes late, and that is nobody's wait.
    seen = observed(nodes=(*nodes()[:3], node("d", asked_s=33.0, ready_s=95.0)))

    assert "6.0 s after" == only({"check": "recovered", "within_s": 15}, seen=seen).got


def test_nodes_that_never_came_are_no_recovery():
    check = only({"check": "recovered", "within_s": 15}, seen=observed(nodes=(node(),)))

    assert not check.passed
    assert "the nodes that the load needs never came" == check.got


def test_a_load_that_never_calms_down_has_not_recovered():
    rows = seconds(lambda number: second(number, latency_ms=900.0))

    assert "never" == only({"check": "recovered", "within_s": 15}, rows=rows).got


def test_five_good_seconds_between_bad_ones_are_no_recovery():
    def each(number):
        good = number < 20 or 70 <= number < 75 or number >= 90
        return second(number, latency_ms=30.0 if good else 900.0)

    check = only({"check": "recovered", "within_s": 15}, rows=seconds(each))

    assert not check.passed
    assert "24.0 s after" == check.got


def test_a_good_second_before_another_bad_one_is_no_recovery_yet():
    def each(number):
        if 20 <= number < 70:
            return second(number, latency_ms=900.0)
        return second(number, failed=18 if number == 71 else 0)  # 2 % of one second, far less than 1 % of the rest

    assert "6.0 s after" == only({"check": "recovered", "within_s": 15}, rows=seconds(each)).got


def test_one_slow_second_long_after_does_not_undo_a_recovery():
    def each(number):
        slow = 20 <= number < CALM_S or number == 95
        few = second(number, failed=12)
        return few if number == 95 else second(number, latency_ms=900.0 if slow else 30.0)

    assert only({"check": "recovered", "within_s": 15}, rows=seconds(each)).passed


def test_a_failed_request_is_an_endless_wait():
    # 2 % of each second fail, and the others are fast: the p99 is not inside.
    rows = seconds(lambda number: second(number, latency_ms=5.0, failed=18))

    assert 100 == figures(evidence(rows=rows)).slo_violation_s


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
    assert "3, 3 of them inside a lost replica" == check.got


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

    assert ("not seen", False) == (
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
    assert "At:" == failure(lines=("", "At:", ";")).last_word
    assert "nothing" == failure(lines=()).last_word


def test_a_roll_out_is_over_when_all_replicas_that_stay_are_new_and_ready():
    def look(at_s):
        old = (pod("a", leaving=True),) if at_s < 70 else ()
        new = tuple(pod(name, version="2", ready=at_s >= 50) for name in "bc")
        return {"pods": (*old, *new) if at_s >= 30 else (pod("a"),), "wanted": 2}

    expectation = {"check": "rolled_out", "version": 2, "after_s": 30, "within_s": 25}

    assert ("20 s", True) == ((one := only(expectation, seen=seen_from(look))).got, one.passed)
    assert not only(expectation | {"within_s": 10}, seen=seen_from(look)).passed
    assert not only(expectation | {"version": 3}, seen=seen_from(look)).passed


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

    assert "INVALID" == verdict.outcome
    assert "prometheus did not do its work in 20 of 100 looks" in verdict.reasons[0]
    assert "PASS" == judge(evidence(scenario(actions=down), seen=seen)).outcome


@pytest.mark.parametrize(("busy", "outcome"), [(0.97, "INVALID"), (0.8, "FAIL")])
def test_a_full_machine_is_a_doubt_about_a_failure(busy, outcome):
    seen = seen_from(lambda _: {"busy": busy, "wanted": 1, "desired": 1})

    assert outcome == judge(evidence(seen=seen)).outcome


def test_what_passes_on_a_full_machine_passes():
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


def test_gpu_seconds_count_a_node_from_when_it_was_asked_for_until_it_is_gone():
    seen = observed(nodes=(node(), node("b", asked_s=33.0, ready_s=66.0, gone_s=80.0)))
    found = figures(evidence(seen=seen))

    assert 100 + (80 - 33) == found.gpu_s
    assert pytest.approx(147 * 0.98 / 3_600) == found.gpu_cost


def test_an_oracle_asks_one_boot_ahead_and_runs_what_the_load_needs():
    # Boots take 10 s: three nodes from second 10 on, one before.
    seen = observed(nodes=(node(asked_s=-20.0, ready_s=-10.0),))
    found = figures(evidence(seen=seen))

    assert 10 == found.boot_s
    assert 1 * 10 + 3 * 90 == found.oracle_gpu_s


def test_a_load_that_never_rises_has_no_time_to_the_next_replica():
    flat = {"kind": "poisson", "rate_rps": 300, "duration_s": 100}
    found = figures(evidence(scenario(load={"arrivals": flat}), seconds(calm)))

    assert found.asked_s is None
    assert 0 == found.recovered_s
