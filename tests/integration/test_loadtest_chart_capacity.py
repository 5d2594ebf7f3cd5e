"""helm/loadtest with `measure: capacity`: the rendered search finds what a real tritonserver carries, and prints it.

A batch of the served model takes ten milliseconds, whatever its size, and each request is a batch: a hundred requests
per second, on any machine. The search starts at 75, so it is told apart from 150 at once and stops there, as it is
asked to: what is tested here is the way of the file, not its figures.
"""

import re
import subprocess

import pytest

from slipway.capacity import read_capacity
from slipway.repository import seal
from slipway.triton import ServerSettings, TritonServer
from tests.chart.rendering import noted
from tests.integration.conftest import publish_linear_classifier
from tests.integration.loadtest_cluster import Cluster, quiet_port

pytestmark = [pytest.mark.triton, pytest.mark.timeout(180)]

BATCH_MS = 10
SLOW = f'parameters {{ key: "simulated_batch_ms" value {{ string_value: "{BATCH_MS}" }} }}\n'
ROUGH = ["--resolution=1", "--shortest-s=1"]
SCENARIO = {
    "inline": {
        "description": "whole batches",
        "payload": {"batches": [{"images": 16}]},
        "arrivals": {"kind": "poisson", "rate_rps": 75, "duration_s": 1},
        "slo": {"p50_ms": 100},
        "generator": {"max_lag_ms": 9000},
        "target": {"timeout_s": 15},
    }
}


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory):
    """A server that carries a hundred requests per second."""
    root = tmp_path_factory.mktemp("model_repository")
    publish_linear_classifier(root)
    config = root / "mnist" / "config.pbtxt"
    config.write_text(re.sub(r"count: \d+", "count: 1", config.read_text()) + SLOW)
    seal(root, "mnist")
    with TritonServer(ServerSettings(repository=root, exit_timeout_s=1)) as server:
        yield server


@pytest.fixture
def cluster(slow_server, tmp_path):
    made = Cluster(tmp_path / "cluster", slow_server)
    yield made
    made.close()


def test_the_capacity_that_the_job_prints_is_what_the_values_command_reads(cluster, tmp_path):
    values = cluster.values(measure="capacity", scenario=SCENARIO, capacity={"headRoom": 0.4})
    run = cluster.begin(values, also=ROUGH)

    assert [0] == run.exit_codes, run.log
    (script,) = re.findall(r"\| (sed .+) > capacity\.yaml", noted("loadtest", values, release="load"))
    text = subprocess.run(["sh", "-c", script], input=run.log, capture_output=True, text=True, check=True).stdout
    (tmp_path / "capacity.yaml").write_text(text)
    capacity = read_capacity(tmp_path / "capacity.yaml")

    assert (run.report / "capacity.yaml").read_text() == text
    assert 75 == capacity.replica.requests_per_s
    assert pytest.approx(0.6 * 75) == capacity.target.requests_per_s
    assert 0.5 * 45 * BATCH_MS / 1e3 < capacity.target.in_flight, "by Little's law; a busy machine has more under way"
    assert len(list(run.report.glob("*/report.json"))) > 3


def test_metrics_that_cannot_be_reached_are_no_capacity(cluster):
    nowhere = f"http://127.0.0.1:{quiet_port()}/metrics"
    values = cluster.values(measure="capacity", scenario=SCENARIO)
    values["target"]["metrics"] = nowhere
    run = cluster.begin(values, also=ROUGH)

    assert [3] == run.exit_codes, run.log
    assert f"metrics were not read at {nowhere}" in run.log
    assert not (run.report / "capacity.yaml").exists()
