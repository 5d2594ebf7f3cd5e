"""Metrics of a rehearsal: GPU-seconds, what an oracle would have used, seconds outside the objective."""

import pytest

from rehearsal.experiment.judge import rehearsal_metrics
from tests.unit.rehearsal_results import NO_GPU, evidence, node, observed, scenario, second, seconds, trace


def calm(number):
    return second(number, due=900 if number >= 20 else 150)


def test_a_failed_request_is_an_endless_wait():
    # 2 % of each second fail, and the others are fast: the p99 is not inside.
    rows = seconds(lambda number: second(number, latency_ms=5.0, failed=18))

    assert 100 == rehearsal_metrics(evidence(rows=rows)).slo_violation_s


def test_gpu_seconds_count_a_node_from_when_it_was_asked_for_until_it_is_gone():
    seen = observed(nodes=(node(), node("b", asked_s=33.0, ready_s=66.0, gone_s=80.0)))
    found = rehearsal_metrics(evidence(seen=seen))

    assert 100 + (80 - 33) == found.gpu_s
    assert pytest.approx(147 * 0.98 / 3_600) == found.gpu_cost


def test_an_oracle_asks_one_boot_ahead_and_runs_what_the_load_needs():
    # Boots take 10 s: three nodes from second 10 on, one before.
    found = rehearsal_metrics(evidence(seen=observed(nodes=(node(), *booting(9.0, 11.0)))))

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
    assert 10 == rehearsal_metrics(evidence(seen=observed(nodes=(there, *booting(10.0, 10.0, 10.0))))).boot_s
    assert 0 == rehearsal_metrics(evidence(seen=observed(nodes=(there,)))).boot_s


@pytest.mark.parametrize(("values", "each"), [({}, 1), ({"gpu": {"count": 2}}, 2), (NO_GPU, 0)])
def test_the_oracle_pays_for_the_gpus_of_its_replicas(values, each):
    found = rehearsal_metrics(evidence(seen=observed(nodes=()), values=values))

    assert each * (1 * 20 + 3 * 80) == found.oracle_gpu_s


def test_the_oracle_runs_what_the_higher_end_of_each_second_needs():
    # 400/s at second 38.4, 800/s within the last second.
    ramp = scenario(load={"arrivals": trace((0, 150), (100, 801))})

    assert 1 * 38 + 2 * 61 + 3 * 1 == rehearsal_metrics(evidence(ramp, seen=observed(nodes=()))).oracle_gpu_s


def test_a_load_that_never_rises_has_no_time_to_the_next_replica():
    flat = {"kind": "poisson", "rate_rps": 300, "duration_s": 100}
    found = rehearsal_metrics(evidence(scenario(load={"arrivals": flat}), seconds(calm)))

    assert found.asked_s is None
    assert 0 == found.recovered_s
