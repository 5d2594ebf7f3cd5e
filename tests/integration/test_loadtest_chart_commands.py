"""What helm/loadtest tells its pods to run, run here: the same words, folders for mounts, this machine for hosts."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.result import read_result
from tests.chart.loadtest_release import container, jobs, release
from tests.chart.rendering import noted
from tests.integration.loadtest_commands import WIDE

pytestmark = [pytest.mark.triton, pytest.mark.timeout(180)]

# A test machine is busy: what is tested is whether a verdict arrives, not how late this generator is.
SHORT = {"arrivals.duration_s": 3, "arrivals.rate_rps": 400, "warmup_s": 1, "generator.max_lag_ms": 1000}
EASY = {"p50_ms": 1000, "p99_ms": 2000}
HARD = {"p50_ms": 0.0001, "p99_ms": 0.0002}
NOISE = {"images": {"random": True}}


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


class Cluster:
    """Runs rendered containers as processes of this machine, each in an empty working folder."""

    def __init__(self, folder, server):
        self._folder, self._server, self._port = folder, server, free_port()
        for name in ("reports", "work"):
            (folder / name).mkdir()
        self._processes = []

    def values(self, *, slo=EASY, workers=0, **values):
        return {
            **NOISE,
            "workers": {"count": workers, "waitSeconds": 60},
            "target": {"url": self._server.grpc_url, "metrics": self._server.metrics_url},
            "networkPolicy": {"enabled": False},
            "scenario": {"set": SHORT, "slo": slo},
            **values,
        }

    def start(self, job):
        """Start the only container of a Job; it ends with what the pod would exit with."""
        spec = container(job)
        words = [self._here(word) for word in [*spec["command"], *spec["args"]]]
        words[0] = str(Path(sys.executable).with_name(words[0]))
        secrets = {variable["name"]: "secret" for variable in spec.get("env", ())}
        log = (self._folder / f"{job['metadata']['name']}.{len(self._processes)}.log").open("w+")
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self._folder / "work",
            env={**WIDE, **secrets},
            start_new_session=True,
        )
        self._processes.append((process, log))
        return process

    def log(self, process):
        (log,) = [log for known, log in self._processes if known is process]
        log.seek(0)
        return log.read()

    def mount(self, source, path):
        """Put a file where the pod would see a claim's."""
        goal = self._folder / path.lstrip("/")
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, goal) if source.is_dir() else shutil.copy(source, goal)

    def report(self, job):
        return self._folder / "reports" / job["metadata"]["name"]

    def close(self):
        for process, log in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
            log.close()

    def _here(self, word):
        """A pod's word on this machine."""
        for mount in ("/reports", "/models", "/etc/slipway/scenario"):
            word = re.sub(rf"(^|=){mount}(/|$)", rf"\1{self._folder}{mount}\2", word)
        word = re.sub(r"^--master-host=.*", "--master-host=127.0.0.1", word)
        return re.sub(r"^--master-port=5557$", f"--master-port={self._port}", word)

    @property
    def bound(self):
        """What keeps the master to this machine, and out of the way of other tests."""
        return ["--master-bind-host=127.0.0.1", f"--master-bind-port={self._port}"]


@pytest.fixture
def cluster(tmp_path, triton_server):
    made = Cluster(tmp_path, triton_server)
    yield made
    made.close()


def crowd(cluster, values):
    """The master and its workers, started; the workers come first, as pods may."""
    job, workers = jobs(release(values))
    container(job)["args"] += cluster.bound
    helpers = [cluster.start(workers) for _ in range(workers["spec"]["completions"])]
    return job, cluster.start(job), helpers


def test_one_process_passes_and_its_report_is_in_the_claim(cluster):
    job, _ = jobs(release(cluster.values()))
    process = cluster.start(job)
    exit_code = process.wait(timeout=90)
    result = read_result(cluster.report(job))

    assert (0, "PASS") == (exit_code, result.verdict.outcome), cluster.log(process)
    assert {"report.json", "report.html", "verdict.xml"} == {path.name for path in cluster.report(job).iterdir()}
    assert result.server.requests


def test_one_process_fails_for_an_objective_that_nobody_meets(cluster):
    job, _ = jobs(release(cluster.values(slo=HARD)))
    process = cluster.start(job)
    exit_code = process.wait(timeout=90)

    assert (1, "FAIL") == (exit_code, read_result(cluster.report(job)).verdict.outcome), cluster.log(process)


def test_published_samples_and_a_scenario_of_ones_own_are_read_where_they_are_mounted(cluster, labelled, tmp_path):
    own = {
        "description": "own",
        "arrivals": {"kind": "trace", "file": "rate.csv"},
        "warmup_s": 1,
        "slo": {"p99_ms": 2000},
        "correctness": {"check_share": 1.0},
        "generator": {"max_lag_ms": 1000},
    }
    values = cluster.values(
        images={"claim": "models", "file": "held/out.npz"},
        scenario={"inline": own, "files": {"rate.csv": "at_s,rate_rps\n0,100\n3,300\n"}},
        deadline={"runSeconds": 4},
    )
    objects = release(values)
    job, _ = jobs(objects)
    cluster.mount(labelled, "/models/held/out.npz")
    for (kind, _), config in objects.items():
        for name, text in config["data"].items() if kind == "ConfigMap" else ():
            (tmp_path / name).write_text(text)
            cluster.mount(tmp_path / name, f"/etc/slipway/scenario/{name}")
    process = cluster.start(job)
    exit_code = process.wait(timeout=90)
    result = read_result(cluster.report(job))

    assert (0, "PASS") == (exit_code, result.verdict.outcome), cluster.log(process)
    assert ("load", 1.0) == (result.name, result.scenario.correctness.check_share)
    assert 300 < result.figures.due


def test_workers_share_the_run_and_end_with_the_master(cluster):
    job, master, workers = crowd(cluster, cluster.values(workers=2))
    exit_codes = [process.wait(timeout=90) for process in (master, *workers)]
    result = read_result(cluster.report(job))

    assert [0, 0, 0] == exit_codes, cluster.log(master)
    assert ("PASS", 2) == (result.verdict.outcome, len(result.generator.workers))
    assert result.figures.due == sum(worker.reported for worker in result.generator.workers)


def test_a_missed_objective_is_the_masters_exit_code_and_not_the_workers(cluster):
    job, master, workers = crowd(cluster, cluster.values(workers=2, slo=HARD))
    exit_codes = [process.wait(timeout=90) for process in (master, *workers)]

    assert [1, 0, 0] == exit_codes, cluster.log(master)
    assert "FAIL" == read_result(cluster.report(job)).verdict.outcome


def test_failed_requests_leave_the_workers_exit_code_alone(cluster):
    impossible = {"target.timeout_s": 0.0001, "correctness.check_share": 0}
    scenario = {"set": {**SHORT, **impossible}, "slo": EASY}
    _, master, workers = crowd(cluster, cluster.values(workers=1, scenario=scenario))
    exit_codes = [process.wait(timeout=90) for process in (master, *workers)]

    assert [1, 0] == exit_codes, cluster.log(master)


def test_workers_that_do_not_come_are_no_verdict(cluster):
    values = cluster.values(workers=2)
    values["workers"]["waitSeconds"] = 4
    job, workers = jobs(release(values))
    container(job)["args"] += cluster.bound
    only, master = cluster.start(workers), cluster.start(job)
    exit_codes = [process.wait(timeout=60) for process in (master, only)]

    assert [3, 0] == exit_codes, cluster.log(master)
    assert "expected 2 workers within 4 s, got 1" in cluster.log(master)


def test_a_target_that_does_not_answer_is_invalid_and_sends_the_workers_home(cluster):
    values = cluster.values(workers=1, target={"url": f"grpc://127.0.0.1:{free_port()}"})
    _, master, workers = crowd(cluster, values)
    exit_codes = [process.wait(timeout=90) for process in (master, *workers)]

    assert [3, 0] == exit_codes, cluster.log(master)


@pytest.mark.parametrize("workers", [0, 1], ids=["alone", "worker"])
def test_the_report_can_be_fetched_out_of_the_log(cluster, tmp_path, workers):
    values = cluster.values(workers=workers)
    if workers:
        job, master, _ = crowd(cluster, values)
    else:
        job, _ = jobs(release(values))
        master = cluster.start(job)
    assert 0 == master.wait(timeout=90), cluster.log(master)
    pattern = re.search(r"\| grep '(.+)' > report\.json", noted("loadtest", values, release="load"))[1]
    (line,) = re.findall(f"{pattern}.*", cluster.log(master), re.MULTILINE)
    (tmp_path / "report.json").write_text(line)
    slipway = Path(sys.executable).with_name("slipway")
    subprocess.run([slipway, "loadtest", "page", "report.json"], check=True, cwd=tmp_path)

    assert read_result(tmp_path / "report.json") == read_result(cluster.report(job))
    assert (tmp_path / "report.html").read_text() == (cluster.report(job) / "report.html").read_text()
