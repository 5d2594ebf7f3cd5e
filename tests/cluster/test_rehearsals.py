"""The shipped scenarios about load and roll-outs at a small scale, with room for a busy machine.

The shipped scenarios themselves, and their figures, are `make rehearse SCENARIO=…`.
"""

import pytest

from rehearsal.experiment.scenario.schema import shipped_scenarios
from tests.cluster.rehearsing import LIMIT_S, SMALL

pytestmark = pytest.mark.timeout(LIMIT_S + 60)


def test_every_shipped_scenario_has_a_small_one():
    assert list(shipped_scenarios()) == sorted(path.stem for path in SMALL.glob("*.yaml"))


@pytest.mark.parametrize("scenario", ["step", "scale-in", "rollout"])
def test_scenario_passes_at_a_small_scale(rehearse, scenario):
    done = rehearse(scenario)

    assert 0 == done.exit_code, done.said
    assert [] == done.missed


def test_a_service_that_may_not_scale_fails_the_step(rehearse, tmp_path):
    (tmp_path / "values.yaml").write_text("autoscaling: {maxReplicas: 1}\n")
    steps = "{kind: steps, steps: [{rate_rps: 40, duration_s: 5}, {rate_rps: 240, duration_s: 25}]}"

    done = rehearse("step", "--values", tmp_path / "values.yaml", "--set", f"load.arrivals={steps}")

    assert 1 == done.exit_code, done.said
    assert "more replicas requested" in done.missed


def test_values_that_the_chart_refuses_are_told_before_any_load(rehearse, tmp_path):
    (tmp_path / "values.yaml").write_text("model: {checkIntegrity: perhaps}\n")

    done = rehearse("step", "--values", tmp_path / "values.yaml")

    assert (3, None) == (done.exit_code, done.result), done.said
    assert "checkIntegrity" in done.said
