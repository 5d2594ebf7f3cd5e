"""Every shipped scenario at a small scale: what the autoscaler and the service must do, with room for a busy machine.

The shipped scenarios themselves, and their figures, are `make rehearse SCENARIO=…`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.result import read_result
from rehearsal.scenario import shipped_scenarios

SMALL = Path(__file__).parent / "scenarios"
pytestmark = pytest.mark.timeout(420)


@pytest.fixture
def rehearse(cluster, published, tmp_path):
    """Return rehearse(scenario, *options) -> (exit code, what it said, the result)."""

    def run(scenario, *options):
        command = [Path(sys.executable).with_name("slipway"), "rehearse", scenario, "--folder", cluster.folder]
        command += ["--repository", published, "--report-dir", tmp_path / "report", *options]
        ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=400, check=False)
        said = ended.stdout + ended.stderr
        return ended.returncode, said, read_result(tmp_path / "report") if (tmp_path / "report").exists() else None

    return run


def test_every_shipped_scenario_has_a_small_one():
    assert list(shipped_scenarios()) == sorted(path.stem for path in SMALL.glob("*.yaml"))


@pytest.mark.parametrize("scenario", shipped_scenarios())
def test_scenario_passes_at_a_small_scale(rehearse, scenario):
    exit_code, said, result = rehearse(SMALL / f"{scenario}.yaml")

    assert 0 == exit_code, said
    assert [] == [check.name for check in result.verdict.checks if not check.passed]
    assert (Path(said.rpartition("report: ")[2].strip())).is_file()


def test_a_service_that_may_not_scale_fails_the_step(rehearse, tmp_path):
    (tmp_path / "values.yaml").write_text("autoscaling: {maxReplicas: 1}\n")

    exit_code, said, result = rehearse(SMALL / "step.yaml", "--values", tmp_path / "values.yaml")

    assert 1 == exit_code, said
    assert "more replicas asked for" in [check.name for check in result.verdict.checks if not check.passed]


def test_values_that_the_chart_refuses_are_told_before_any_load(rehearse, tmp_path):
    (tmp_path / "values.yaml").write_text("autoscaling: {maxReplicas: none}\n")

    exit_code, said, result = rehearse(SMALL / "step.yaml", "--values", tmp_path / "values.yaml")

    assert (3, None) == (exit_code, result), said
    assert "maxReplicas" in said
