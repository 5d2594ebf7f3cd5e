"""When a load counts as recovered from: five good seconds, counted from the last node that it needs."""

import pytest

from tests.unit.rehearsal_results import CALM_S, NO_GPU, node, nodes, observed, only, second, seconds, trace

RECOVERED = {"check": "recovered", "within_s": 15}


def test_the_time_to_recover_counts_from_the_last_node_that_the_load_needs():
    # Three are needed; the fourth comes late, and that is nobody's wait.
    seen = observed(nodes=(*nodes()[:3], node("d", asked_s=33.0, ready_s=95.0)))

    assert "6.0 s after" == only(RECOVERED, seen=seen).got


def test_nodes_that_never_came_are_no_recovery():
    check = only(RECOVERED, seen=observed(nodes=(node(),)))

    assert not check.passed
    assert "the nodes that the load needs never became ready" == check.got


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
    ("gpus", "got"), [(1, "the nodes that the load needs never became ready"), (2, "2.0 s after"), (3, "2.0 s after")]
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

    assert "never" == only(RECOVERED, rows=rows).got


def test_five_good_seconds_between_bad_ones_are_no_recovery():
    def each(number):
        good = number < 20 or 70 <= number < 75 or number >= 90
        return second(number, latency_ms=30.0 if good else 900.0)

    check = only(RECOVERED, rows=seconds(each))

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

    assert "6.0 s after" == only(RECOVERED, rows=seconds(each)).got


def test_one_slow_second_long_after_does_not_undo_a_recovery():
    def each(number):
        slow = 20 <= number < CALM_S or number == 95
        few = second(number, failed=12)
        return few if number == 95 else second(number, latency_ms=900.0 if slow else 30.0)

    assert only(RECOVERED, rows=seconds(each)).passed
