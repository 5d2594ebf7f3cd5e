"""The shipped scenarios with a fault at a small scale, with room for a busy machine."""

import pytest

from tests.cluster.rehearsing import LIMIT_S

pytestmark = pytest.mark.timeout(LIMIT_S + 60)


@pytest.mark.parametrize("scenario", ["bad-version", "node-lost", "gpu-exhausted", "prometheus-down", "keda-down"])
def test_scenario_passes_at_a_small_scale(rehearse, scenario):
    done = rehearse(scenario)

    assert 0 == done.exit_code, done.said
    assert [] == done.missed
