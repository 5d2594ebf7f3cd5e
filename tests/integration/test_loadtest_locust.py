"""Locust's own command on our locustfile, as Locust's documentation describes it: alone, with its page, in a crowd."""

import json
import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress

import httpx
import numpy as np
import psutil
import pytest

from loadtest.result.run_result import read_result
from loadtest.scenario.plan import due_times_ns
from slipway.platform.ports import free_port
from tests.integration.loadtest_commands import LOCUST, LOCUSTFILE, WIDE

pytestmark = [pytest.mark.triton, pytest.mark.timeout(180)]

SHAPE = """
from locust import LoadTestShape


class TwoThenFour(LoadTestShape):
    def tick(self):
        return (2 if self.get_run_time() < 3 else 4), 10
"""


@pytest.fixture
def words(triton_server, labelled):
    """Options of a short run at the server: `words(duration_s=3)`."""

    def options(**changes):
        values = {
            "arrivals.duration_s": 3,
            "warmup_s": 1,
            "generator.max_lag_ms": 1000,  # a busy test machine is late, and that is not what is tested
            "slo.p50_ms": 1000,
            "slo.p99_ms": 2000,
            "payload.images": labelled,
            "target.metrics_url": triton_server.metrics_url,
        }
        overrides = [f"{key}={value}" for key, value in (values | changes).items() if value is not None]
        target = ("--scenario", "smoke", "--target", triton_server.grpc_url, "--report-dir", "report")
        return [*target, *(word for text in overrides for word in ("--override", text))]

    return options


class Locust:
    """A `locust` under way, in a folder, with what it says in files."""

    def __init__(self, process, cwd, name):
        self._process, self._cwd, self._name = process, cwd, name
        self.pid, self.send_signal = process.pid, process.send_signal

    def exit_code(self):
        return self._process.wait(timeout=90)

    @property
    def stdout(self):
        return (self._cwd / f"{self._name}.out").read_text()

    @property
    def stderr(self):
        return (self._cwd / f"{self._name}.err").read_text()

    @property
    def said(self):
        return self.stdout + self.stderr


@contextmanager
def locust(*words, cwd, name="locust", files=(LOCUSTFILE,), env=WIDE):
    """Start it in a session of its own; at the end nothing of that is left."""
    command = [LOCUST, "-f", ",".join(map(str, files)), *map(str, words)]
    with (cwd / f"{name}.out").open("w") as out, (cwd / f"{name}.err").open("w") as err:
        process = subprocess.Popen(
            command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=cwd, env=env, start_new_session=True
        )
    try:
        yield Locust(process, cwd, name)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def still_there(session, *, within_s=10):
    """Processes of a session that do not end within some seconds."""
    deadline_s = time.monotonic() + within_s
    while (living := alive(session)) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return living


def alive(session):
    pids = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                pids.append(process.pid)
    return pids


def master_at(port):
    return ("--expect-workers", 2, "--master-bind-host", "127.0.0.1", "--master-bind-port", port)


def scheduled(result):
    """How many requests the scenario's seed draws into the window."""
    warmup_s = result.scenario.warmup_s
    due_ns = due_times_ns(result.scenario.arrivals, warmup_s=warmup_s, seed=result.scenario.seed)
    return np.count_nonzero(due_ns >= warmup_s * 1e9)


def success_count(server):
    lines = httpx.get(server.metrics_url, trust_env=False).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("nv_inference_request_success{"))


def eventually(found):
    """The first true answer; the test's own timeout bounds the wait."""
    while not (answer := found()):
        time.sleep(0.1)
    return answer


def test_a_headless_locust_ends_with_the_verdict_and_its_own_statistics_know_parts_of_a_millisecond(words, tmp_path):
    with locust("--headless", "--json-file", "statistics", *words(), cwd=tmp_path) as command:
        exit_code = command.exit_code()
    result = read_result(tmp_path / "report")
    (statistics,) = json.loads((tmp_path / "statistics.json").read_text())

    assert (0, "PASS") == (exit_code, result.verdict.outcome), command.said
    assert command.stdout.startswith("PASS  smoke")
    assert scheduled(result) == result.figures.due == result.figures.answered
    assert any(float(key) % 1 for key in statistics["response_times"])


class WebPage:
    """What a person does on Locust's page, and what a browser asks for behind it."""

    def __init__(self, client):
        self._client = client

    def get(self, path):
        try:
            return self._client.get(path)
        except httpx.TransportError:
            return None  # it does not listen yet

    def swarm(self, **fields):
        return self._client.post("/swarm", data={"user_count": "20", "spawn_rate": "20", "host": "", **fields}).json()

    def statistics(self, *, once):
        """They are remembered for two seconds, so that a run must be seen to begin before it can be seen to end."""

        def found():
            answer = self.get("/stats/requests").json()
            return answer if (answer["state"] == "stopped") == (once == "stopped") else None

        return eventually(found)


def test_the_page_starts_one_run_after_another_and_shows_the_report_of_each(words, tmp_path):
    port, report = free_port(), tmp_path / "report" / "report.json"
    served = ("--web-host", "127.0.0.1", "--web-port", port)
    with (
        locust(*served, *words(), cwd=tmp_path) as command,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
    ):
        page = WebPage(client)
        index = eventually(lambda: page.get("/"))
        before = page.get("/report")
        runs = []
        for _ in range(2):
            accepted = page.swarm(scenario="smoke")
            page.statistics(once="running")
            statistics = page.statistics(once="stopped")
            runs.append((accepted, statistics, page.get("/report"), read_result(report)))
        command.send_signal(signal.SIGTERM)
        command.exit_code()

    assert (200, 404) == (index.status_code, before.status_code)
    for accepted, statistics, shown, result in runs:
        assert accepted["success"], accepted
        quantiles = ("median_response_time", "response_time_percentile")
        shown_ms = [value for name, value in statistics["stats"][0].items() if name.startswith(quantiles)]

        assert any(each % 1 for each in shown_ms), "whole milliseconds would do no small model justice"
        assert scheduled(result) == result.figures.answered
        assert 200 == shown.status_code
        assert "PASS" in shown.text
    assert runs[0][-1].started < runs[1][-1].started
    assert "Traceback" not in command.said


def test_two_processes_share_one_schedule(words, tmp_path):
    port = free_port()
    crowd = ("--processes", 2, *master_at(port), "--master-port", port)
    with locust("--headless", *crowd, *words(), cwd=tmp_path) as command:
        exit_code = command.exit_code()
    result = read_result(tmp_path / "report")
    workers = result.generator.workers

    assert (0, "PASS") == (exit_code, result.verdict.outcome), command.said
    assert [False, False] == [worker.lost for worker in workers]
    assert scheduled(result) == sum(worker.due for worker in workers) == sum(worker.reported for worker in workers)
    assert 1 >= abs(workers[0].due - workers[1].due)
    assert result.figures.due == pytest.approx(result.server.requests, abs=50)  # the edges of its scrapes


def test_a_worker_that_is_killed_is_named_with_what_it_owes(triton_server, words, tmp_path):
    port, options = free_port(), words(**{"arrivals.duration_s": 10})
    worker = ("--worker", "--master-host", "127.0.0.1", "--master-port", port, *options)
    before = success_count(triton_server)
    with (
        locust("--headless", "--master", *master_at(port), *options, cwd=tmp_path) as master,
        locust(*worker, cwd=tmp_path, name="kept"),
        locust(*worker, cwd=tmp_path, name="killed") as killed,
    ):
        eventually(lambda: success_count(triton_server) > before + 800)
        killed.send_signal(signal.SIGKILL)
        exit_code = master.exit_code()
    result = read_result(tmp_path / "report")
    (kept,) = [worker for worker in result.generator.workers if not worker.lost]
    (lost,) = [worker for worker in result.generator.workers if worker.lost]

    assert (3, "INVALID") == (exit_code, result.verdict.outcome), master.said
    assert scheduled(result) == kept.due + lost.due
    assert kept.due == kept.reported
    assert 0 < lost.reported < lost.due
    assert any(f"{lost.name} was lost" in reason for reason in result.verdict.reasons)


def test_a_worker_that_cannot_begin_ends_the_run_with_its_reason(words, tmp_path):
    port, options = free_port(), words(**{"target.token_env": "MODEL_TOKEN", "arrivals.duration_s": 60})
    worker = ("--worker", "--master-host", "127.0.0.1", "--master-port", port, *options)
    crowd = ("--headless", "--master", *master_at(port)[2:], "--expect-workers", 1)
    with (
        locust(*crowd, *options, cwd=tmp_path, env=WIDE | {"MODEL_TOKEN": "secret"}) as master,
        locust(*worker, cwd=tmp_path, name="worker"),
    ):
        exit_code = master.exit_code()

    assert 3 == exit_code, master.said
    assert "failed: target.token_env: expected a token in the variable MODEL_TOKEN" in master.said
    assert "secret" not in master.said


def test_a_load_shape_decides_how_many_users_a_closed_loop_has(words, tmp_path):
    (tmp_path / "shape.py").write_text(SHAPE)
    closed = words(**{"arrivals.duration_s": None, "arrivals": "{kind: closed, users: 4, duration_s: 4}"})
    with locust("--headless", *closed, cwd=tmp_path, files=(LOCUSTFILE, "shape.py")) as command:
        exit_code = command.exit_code()
    result = read_result(tmp_path / "report")

    assert (0, "PASS") == (exit_code, result.verdict.outcome), command.said
    assert command.stderr.index("updating to 2 users") < command.stderr.index("updating to 4 users")
    assert not result.generator.open_loop
    assert "closed loop" in command.stdout


def test_a_run_that_ends_before_anything_was_measured_is_no_pass(words, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and answers nothing
        asked = ("--target", f"grpc://127.0.0.1:{silent.getsockname()[1]}")
        with locust("--headless", "-t", "1s", *words(), *asked, cwd=tmp_path) as command:
            exit_code = command.exit_code()

    assert 3 == exit_code, command.said
    assert "nothing was measured" in command.said


@pytest.mark.parametrize("processes", [0, 2])
def test_a_mistake_in_the_scenario_is_one_line_and_leaves_no_process(words, tmp_path, processes):
    port = free_port()
    crowd = ("--processes", processes, *master_at(port), "--master-port", port) if processes else ()
    with locust("--headless", *crowd, *words(), "--scenario", "nope", cwd=tmp_path) as command:
        exit_code = command.exit_code()
        left = still_there(command.pid)

    assert 2 == exit_code, command.said
    assert 1 == command.said.count("error: no scenario 'nope'")
    assert "Traceback" not in command.said
    assert [] == left
