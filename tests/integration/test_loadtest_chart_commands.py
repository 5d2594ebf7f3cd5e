"""helm/loadtest answers: the commands that it renders, run against a real tritonserver, to their exit codes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.result.run_result import read_result
from slipway.triton import ServerSettings, TritonServer
from tests.chart.rendering import noted
from tests.integration.loadtest_cluster import EASY, HARD, SHORT, Cluster, quiet_port

pytestmark = [pytest.mark.triton, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def triton_server(published_repository):
    """Its own server: requests that a client gave up on keep an embedded server from ending as long as it may wait.

    With the Python backend, which cancelled calls end less often (docs/decisions/native-backend.md).
    """
    with TritonServer(ServerSettings(repository=published_repository, exit_timeout_s=1, backend="python")) as server:
        yield server


@pytest.fixture(scope="module")
def new_cluster(tmp_path_factory, triton_server):
    """Make clusters that end with the module."""
    made = []

    def make():
        made.append(Cluster(tmp_path_factory.mktemp("cluster"), triton_server))
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()


def started(new_cluster, **releases):
    """Runs by name, begun at once on a cluster each, that have ended."""
    runs = {}
    for name, (values, options) in releases.items():
        cluster = new_cluster()
        runs[name] = cluster.begin(cluster.values(**values), **options)
    assert all(run.exit_codes for run in runs.values())
    return runs


@pytest.fixture(scope="module")
def passed(new_cluster):
    """Runs that hold their objectives, in one process and with two workers."""
    return started(new_cluster, alone=({}, {}), crowd=({"workers": 2}, {}))


@pytest.fixture(scope="module")
def failed(new_cluster):
    """Runs that miss an objective; what they say does not depend on how busy the machine is."""
    impossible = {"target.timeout_s": 0.0001, "correctness.check_share": 0}
    return started(
        new_cluster,
        alone=({"slo": HARD}, {}),
        crowd=({"slo": HARD, "workers": 2}, {}),
        broken=({"workers": 1, "scenario": {"set": SHORT | impossible, "slo": EASY}}, {}),
    )


@pytest.fixture(scope="module")
def undecided(new_cluster):
    """Runs that never begin: one of two workers stays away, or no server answers."""
    return started(
        new_cluster,
        few=({"workers": 2, "wait_s": 4}, {"come": 1}),
        nobody=({"workers": 1, "target": {"url": f"grpc://127.0.0.1:{quiet_port()}"}}, {}),
    )


def test_one_process_passes_and_its_report_is_in_the_claim(passed):
    run = passed["alone"]
    result = read_result(run.report)

    assert ([0], "PASS") == (run.exit_codes, result.verdict.outcome), run.log
    assert {"report.json", "report.html", "verdict.xml"} == {path.name for path in run.report.iterdir()}
    assert result.server.requests


def test_workers_share_the_run_and_end_with_the_master(passed):
    run = passed["crowd"]
    result = read_result(run.report)

    assert [0, 0, 0] == run.exit_codes, run.log
    assert ("PASS", 2) == (result.verdict.outcome, len(result.generator.workers))
    assert result.figures.due == sum(worker.reported for worker in result.generator.workers)


@pytest.mark.parametrize("name", ["alone", "crowd"])
def test_the_report_can_be_fetched_out_of_the_log(passed, name, tmp_path):
    run = passed[name]
    pattern = re.search(r"\| grep '(.+)' > report\.json", noted("loadtest", run.values, release="load"))[1]
    (line,) = re.findall(f"{pattern}.*", run.log, re.MULTILINE)
    (tmp_path / "report.json").write_text(line)
    slipway = Path(sys.executable).with_name("slipway")
    subprocess.run([slipway, "loadtest", "page", "report.json"], check=True, cwd=tmp_path)

    assert read_result(tmp_path / "report.json") == read_result(run.report)
    assert (tmp_path / "report.html").read_text() == (run.report / "report.html").read_text()


def test_one_process_fails_for_an_objective_that_nobody_meets(failed):
    run = failed["alone"]

    assert ([1], "FAIL") == (run.exit_codes, read_result(run.report).verdict.outcome), run.log


def test_a_missed_objective_is_the_masters_exit_code_and_not_the_workers(failed):
    run = failed["crowd"]

    assert [1, 0, 0] == run.exit_codes, run.log
    assert "FAIL" == read_result(run.report).verdict.outcome


def test_failed_requests_leave_the_workers_exit_code_alone(failed):
    run = failed["broken"]

    assert [1, 0] == run.exit_codes, run.log
    assert read_result(run.report).figures.errors


def test_workers_that_do_not_come_are_no_verdict(undecided):
    run = undecided["few"]

    assert [3, 0] == run.exit_codes, run.log
    assert "expected 2 workers within 4 s, got 1" in run.log


def test_a_target_that_does_not_answer_is_invalid_and_sends_the_workers_home(undecided):
    run = undecided["nobody"]

    assert [3, 0] == run.exit_codes, run.log


def test_published_samples_and_a_scenario_of_ones_own_are_read_where_they_are_mounted(new_cluster, labelled):
    cluster = new_cluster()
    own = {
        "description": "own",
        "arrivals": {"kind": "trace", "file": "rate.csv"},
        "warmup_s": 0.5,
        "slo": {"p99_ms": EASY["p99_ms"]},
        "correctness": {"check_share": 1.0},
        "target": {"timeout_s": 15},
        "generator": {"max_lag_ms": 9000},
    }
    values = cluster.values(
        images={"claim": "models", "file": "held/out.npz"},
        scenario={"inline": own, "files": {"rate.csv": "at_s,rate_rps\n0,300\n1.5,500\n"}},
        deadline={"runSeconds": 2},
    )
    cluster.mount(labelled, "/models/held/out.npz")
    run = cluster.begin(values)

    assert [0] == run.exit_codes, run.log
    result = read_result(run.report)
    assert ("PASS", "load", 1.0) == (result.verdict.outcome, result.name, result.scenario.correctness.check_share)
    assert 400 < result.figures.due
