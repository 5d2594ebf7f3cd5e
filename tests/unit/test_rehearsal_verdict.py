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
    trace,
)

RECOVERED = {"check": "recovered", "within_s": 15}
NO_GPU = {"gpu": {"enabled": False, "count": 2}}


def only(expectation, *, rows=None, seen=None, values=None, **sections):
    """The one check of a scenario with one expectation."""
    (found,) = judge(evidence(scenario(expect=[expectation], **sections), rows, seen, values=values)).checks
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


def test_one_replica_is_more_than_none():
    seen = seen_from(lambda at_s: {"wanted": 1 if at_s >= 30 else 0, "desired": None})

    assert "10.0 s" == only({"check": "more_replicas_asked", "within_s": 20}, seen=seen).got


def test_the_time_to_recover_counts_from_the_last_node_that_the_load_needs():
    # Three are needed; the fourth comes late, and that is nobody's wait.
    seen = observed(nodes=(*nodes()[:3], node("d", asked_s=33.0, ready_s=95.0)))

    assert "6.0 s after" == only({"check": "recovered", "within_s": 15}, seen=seen).got


def test_nodes_that_never_came_are_no_recovery():
    check = only({"check": "recovered", "within_s": 15}, seen=observed(nodes=(node(),)))

    assert not check.passed
    assert "the nodes that the load needs never came" == check.got


@pytest.mark.parametrize(
    ("points", "got"),
    [
        ([(0, 150), (100, 900)], "6.0 s after"),
        ([(0, 150), (20, 150), (60, 900), (60, 150), (100, 150)], "6.0 s after"),
        ([(0, 900), (20, 900), (20, 100), (100, 300)], "52.0 s after"),
    ],
    ids=["to the end", "with a drop from its top", "after a height that is over"],
)
def test_a_ramp_needs_the_nodes_of_its_top(points, got):
    assert got == only(RECOVERED, load={"arrivals": trace(*points)}).got


@pytest.mark.parametrize(
    ("gpus", "got"), [(1, "the nodes that the load needs never came"), (2, "2.0 s after"), (3, "2.0 s after")]
)
def test_a_replica_of_two_gpus_needs_both_on_one_node(gpus, got):
    there = [node("a"), node("b", asked_s=33.0, ready_s=66.0), node("c", asked_s=33.0, ready_s=70.0)]
    seen = observed(nodes=tuple(each.model_copy(update={"gpus": gpus}) for each in there))

    assert got == only(RECOVERED, seen=seen, values={"gpu": {"count": 2}}).got


def test_replicas_without_gpus_wait_for_no_node():
    check = only(RECOVERED | {"within_s": 60}, seen=observed(nodes=()), values=NO_GPU)

    assert ("≤ 60 s after second 20", "52.0 s after", True) == (check.expected, check.got, check.passed)


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


@pytest.mark.parametrize(("bad_until_s", "got"), [(95, "29.0 s after"), (96, "never"), (99, "never")])
def test_fewer_than_five_good_seconds_before_the_end_are_no_recovery(bad_until_s, got):
    rows = seconds(lambda number: second(number, latency_ms=900.0 if 20 <= number < bad_until_s else 30.0))

    assert got == only(RECOVERED, rows=rows).got


def test_a_second_in_which_nothing_was_due_counts_as_one_of_the_five():
    def each(number):
        return second(number, latency_ms=900.0 if 20 <= number < 80 else 30.0, failed=10 if number == 85 else 0)

    rows = [row for row in seconds(each) if row.second != 82]

    assert "14.0 s after" == only(RECOVERED, rows=rows).got


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
    assert "prometheus did not do its work in 20 of 100 looks" in verdict.reasons[0]
    assert "PASS" == judge(evidence(scenario(actions=down), seen=done)).outcome


def test_a_program_that_is_unhealthy_in_the_last_looks_makes_it_invalid():
    # The recorder tells of a program only after two failed checks in a row.
    seen = seen_from(lambda at_s: {"unhealthy": ("kserve",) if 97 <= at_s else ()})

    assert "INVALID" == judge(evidence(seen=seen)).outcome


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


TWO_LOSSES = [
    {"at_s": 70, "do": "lose_node"},
    {"at_s": 40, "do": "lose_node"},
    {"at_s": 60, "do": "serve", "version": 1},
]


def doing(*events, **changes):
    """Judge a scenario of three actions of which these left an event."""
    return judge(evidence(scenario(actions=TWO_LOSSES), seen=observed(events=events), **changes))


def test_an_action_that_was_never_done_makes_it_invalid():
    verdict = doing(action(-2.9, "let_go"), action(40.1, "lose_node"))

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


def test_gpu_seconds_count_a_node_from_when_it_was_asked_for_until_it_is_gone():
    seen = observed(nodes=(node(), node("b", asked_s=33.0, ready_s=66.0, gone_s=80.0)))
    found = figures(evidence(seen=seen))

    assert 100 + (80 - 33) == found.gpu_s
    assert pytest.approx(147 * 0.98 / 3_600) == found.gpu_cost


def test_an_oracle_asks_one_boot_ahead_and_runs_what_the_load_needs():
    # Boots take 10 s: three nodes from second 10 on, one before.
    found = figures(evidence(seen=observed(nodes=(node(), *booting(9.0, 11.0)))))

    assert 10 == found.boot_s
    assert 1 * 10 + 3 * 90 == found.oracle_gpu_s


def booting(*boots_s):
    """Nodes that were asked for at second 33, and took so long."""
    return tuple(node(f"boots-{boot_s}", asked_s=33.0, ready_s=33.0 + boot_s) for boot_s in boots_s)


@pytest.mark.parametrize(
    "there",
    [node(asked_s=-40.0, ready_s=-40.0), node(asked_s=-40.0, ready_s=-38.0), node(asked_s=-5.0, ready_s=-5.0)],
    ids=["ordered at once", "ordered before the load", "of a fixed pool"],
)
def test_a_node_that_was_there_before_the_load_has_no_part_in_the_boot_time(there):
    assert 10 == figures(evidence(seen=observed(nodes=(there, *booting(10.0, 10.0, 10.0))))).boot_s
    assert 0 == figures(evidence(seen=observed(nodes=(there,)))).boot_s


@pytest.mark.parametrize(("values", "each"), [({}, 1), ({"gpu": {"count": 2}}, 2), (NO_GPU, 0)])
def test_the_oracle_pays_for_the_gpus_of_its_replicas(values, each):
    found = figures(evidence(seen=observed(nodes=()), values=values))

    assert each * (1 * 20 + 3 * 80) == found.oracle_gpu_s


def test_the_oracle_runs_what_the_higher_end_of_each_second_needs():
    # 400/s at second 38.4, 800/s within the last second.
    ramp = scenario(load={"arrivals": trace((0, 150), (100, 801))})

    assert 1 * 38 + 2 * 61 + 3 * 1 == figures(evidence(ramp, seen=observed(nodes=()))).oracle_gpu_s


def test_a_load_that_never_rises_has_no_time_to_the_next_replica():
    flat = {"kind": "poisson", "rate_rps": 300, "duration_s": 100}
    found = figures(evidence(scenario(load={"arrivals": flat}), seconds(calm)))

    assert found.asked_s is None
    assert 0 == found.recovered_s
