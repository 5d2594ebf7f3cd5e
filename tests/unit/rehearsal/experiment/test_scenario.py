"""Scenarios of a rehearsal: every mistake is told, and what follows from a scenario is right."""

import pytest

from rehearsal.errors import RehearsalScenarioError
from rehearsal.experiment.scenario.schema import SCENARIOS, check_scenario, load_scenario, shipped_scenarios
from tests.unit.rehearsal_results import STEP, scenario, trace

LOAD = {"arrivals": STEP}
EXPECT = [{"check": "failed_requests", "at_most": 0}]


def document(**changes):
    return {"description": "a test", "load": LOAD, "expect": EXPECT} | changes


def test_the_scenarios_of_the_rehearsal_are_shipped():
    expected = {
        "bad-version",
        "gpu-exhausted",
        "keda-down",
        "node-lost",
        "prometheus-down",
        "rollout",
        "scale-in",
        "step",
    }

    assert expected == set(shipped_scenarios())


@pytest.mark.parametrize("name", shipped_scenarios())
def test_every_shipped_scenario_is_read_and_is_over_within_five_minutes(name):
    read = load_scenario(name)

    assert read.load.warmup_s + read.load.arrivals.seconds <= 300


def test_the_step_is_sixfold_and_its_bounds_are_those_that_were_promised():
    step = load_scenario("step")
    bounds = {each.check: each.within_s for each in step.expect if hasattr(each, "within_s")}

    jump_s, end_s = step.load.jump_s, step.load.arrivals.seconds

    assert 6 == step.load.highest_rps(jump_s, end_s) / step.load.highest_rps(0, jump_s)
    assert {"more_replicas_asked": 20, "recovered": 15} == bounds
    assert (20, 8, 250) == (step.model.simulated_batch_ms, step.model.max_batch_size, step.slo.p99_ms)


def test_a_full_batch_after_another_is_what_a_replica_carries():
    assert 400 == scenario().replica_rps
    assert 200 == scenario(load={**LOAD, "images": 2}).replica_rps
    assert 1 == scenario().replicas_needed(0, 20)
    assert 3 == scenario().replicas_needed(0, 21)
    assert 3 == scenario().replicas_needed(20, 100)


def test_a_load_that_full_replicas_carry_needs_no_other():
    # 8 images in 12 ms are 666.66… a second.
    dozen = scenario(model={"simulated_batch_ms": 12}, load={"arrivals": trace((0, 2_000), (10, 2_000))})

    assert 3 == dozen.replicas_needed(0, 10)


@pytest.mark.parametrize(
    ("points", "span_s", "expected"),
    [
        ([(0, 100), (10, 900)], (0, 10), 900),
        ([(0, 100), (10, 900)], (0, 5), 500),
        ([(0, 100), (10, 900), (10, 50), (20, 50)], (5, 15), 900),
        ([(0, 100), (10, 900), (10, 50), (20, 50)], (10, 15), 50),
        ([(0, 100), (10, 100), (10, 900), (10, 100), (20, 100)], (0, 20), 100),
    ],
    ids=["to its end", "in part", "the top before a drop", "after a drop", "a moment is no load"],
)
def test_the_highest_rate_of_a_span_counts_both_ends_of_a_ramp(points, span_s, expected):
    assert expected == scenario(load={"arrivals": trace(*points)}).load.highest_rps(*span_s)


def test_a_rate_that_is_not_offered_needs_one_replica_all_the_same():
    assert 0 == scenario().load.highest_rps(1_000, 1_001)
    assert 1 == scenario().replicas_needed(1_000, 1_001)


def test_the_jump_is_where_the_load_rises_most():
    steps = [(100, 10), (900, 10), (50, 10), (200, 10)]
    arrivals = {"kind": "steps", "steps": [{"rate_rps": rate, "duration_s": long} for rate, long in steps]}
    falling = {"kind": "steps", "steps": [{"rate_rps": 9, "duration_s": 5}, {"rate_rps": 3, "duration_s": 5}]}

    assert 10 == scenario(load={"arrivals": arrivals}).load.jump_s
    assert 0 == scenario(load={"arrivals": falling}).load.jump_s


def test_every_mistake_is_told_at_once_with_its_place_and_the_nearest_key():
    wrong = document(
        load={"arrivals": STEP, "timeout": 3},
        actions=[{"at_s": 1, "do": "stop", "programs": ["prometeus"]}],
        expect=[{"check": "alert_fired"}],
    )
    with pytest.raises(RehearsalScenarioError) as error:
        check_scenario(wrong, where="mine.yaml")

    assert "mine.yaml: 3 problem(s)" in str(error.value)
    assert "load.timeout: unknown key; did you mean 'timeout_s'?" in str(error.value)
    assert "actions[0].programs[0]: Input should be" in str(error.value)
    assert "expect[0].alert: missing" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"actions": [{"at_s": 100, "do": "lose_node"}]}, "the load ends after 100 s, and lose_node at 100 s comes"),
        ({"actions": [{"at_s": 1, "do": "serve", "version": 2}]}, "version 2 is used, but model.versions is 1"),
        ({"load": {**LOAD, "images": 9}}, "a request of 9 images does not fit model.max_batch_size 8"),
        ({"expect": [{"check": "gpu_nodes_at_end"}]}, "expected at_most, at_least, or both"),
        ({"expect": []}, "expect"),
        (
            {"load": {"arrivals": {"kind": "closed", "users": 3, "duration_s": 9}}},
            "Input tag 'closed' found using 'kind' does not match",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(changes, says):
    with pytest.raises(RehearsalScenarioError, match=says):
        check_scenario(document(**changes), where="a test")


def test_a_trace_takes_the_place_of_the_load_and_is_read_from_where_the_command_is_given(tmp_path):
    trace = tmp_path / "my.csv"
    trace.write_text("at_s,rate_rps\n0,100\n60,700\n")
    read = load_scenario("step", {"load.arrivals": f"{{kind: trace, file: {trace}}}"})

    assert 400 == read.load.highest_rps(0, 30)
    assert 60 == read.load.arrivals.seconds


def test_the_trace_of_a_file_is_relative_to_it(tmp_path):
    (tmp_path / "my.csv").write_text("at_s,rate_rps\n0,100\n60,700\n")
    (tmp_path / "mine.yaml").write_text(
        "description: mine\nload: {arrivals: {kind: trace, file: my.csv}}\n"
        "expect: [{check: slo_violation, at_most_s: 3}]"
    )

    assert 60 == load_scenario(str(tmp_path / "mine.yaml")).load.arrivals.seconds


def test_node_types_of_a_file_are_relative_to_it_and_shipped_ones_are_named(tmp_path):
    mine = tmp_path / "mine.yaml"
    text = (SCENARIOS / "step.yaml").read_text()
    mine.write_text(f"{text}\nnodes: {{file: my-nodes.yaml}}\n")
    found = [load_scenario(str(mine), {"nodes.file": name} if name else {}).nodes.file for name in (None, "other.yaml")]
    mine.write_text(f"{text}\nnodes: {{file: fixed}}\n")

    assert [str(tmp_path / "my-nodes.yaml"), "other.yaml"] == found
    assert "fixed" == load_scenario(str(mine)).nodes.file


def test_a_scenario_that_is_not_there_names_those_that_are():
    with pytest.raises(RehearsalScenarioError, match="no scenario 'stepp': expected one of bad-version, gpu-exhausted"):
        load_scenario("stepp")
