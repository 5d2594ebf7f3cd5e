"""The metrics that stand in a report are the target's: two tritonservers on one machine, of which one is asked."""

import subprocess

import pytest

from slipway.triton import ServerSettings, TritonServer
from tests.integration.loadtest_commands import PATIENT, SLIPWAY, WIDE, loadtest

pytestmark = [pytest.mark.triton, pytest.mark.timeout(180)]

SHORT = ("--duration-s", "2", "--set", "warmup_s=0.5", "--slo", "p50_ms=1000", "--slo", "p99_ms=null", *PATIENT)


@pytest.fixture(scope="module")
def neighbour(published_repository):
    """A server of the same model and version, which nobody asks."""
    with TritonServer(ServerSettings(repository=published_repository)) as server:
        yield server


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_metrics_of_a_neighbour_that_serves_the_same_model_are_left_out_of_the_report(
    at, neighbour, tmp_path, protocol
):
    run = loadtest("smoke", *at(protocol), "--metrics-url", neighbour.metrics_url, *SHORT, cwd=tmp_path)

    assert 0 == run.exit_code, run.stdout + run.stderr
    assert run.result.server is None
    assert "they belong to another server" in run.result.metrics_doubt
    assert "and they counted 0" in run.stdout


def test_the_capacity_of_one_server_by_the_metrics_of_another_is_none_and_no_file_is_written(at, neighbour, tmp_path):
    words = ("capacity", "smoke", *at(), "--metrics-url", neighbour.metrics_url, "--slo", "p99_ms=null", *PATIENT)
    done = subprocess.run(
        [SLIPWAY, *map(str, words), "--shortest-s", "1"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=WIDE,
        timeout=120,
    )

    assert 3 == done.returncode, done.stdout + done.stderr
    assert "INVALID" in done.stderr
    assert "they belong to another server" in done.stderr
    assert not (tmp_path / "capacity.yaml").exists()
