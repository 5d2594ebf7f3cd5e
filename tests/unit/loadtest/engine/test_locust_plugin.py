"""Locust's process from its command line to its exit code, with our user and plugin in it, before real servers.

The servers are in this process and answer on the real wires; what only a tritonserver can show is tested with one.
"""

import json
import os
import signal
import subprocess
import time
from functools import partial

import httpx
import numpy as np
import pytest
import yaml

from loadtest.engine.request import RunRequest
from loadtest.result.run_result import Result, read_result
from loadtest.run import follow_run
from loadtest.scenario.scenario_file import load_scenario
from slipway.platform.ports import free_port
from tests import children
from tests.unit.gevent_programs import ROOT, python

LATE = "generator.max_lag_ms=10000"  # a busy test machine is late, and that is not what is tested


@pytest.fixture
def images(tmp_path):
    """Ten images whose answers the fake knows."""
    path, pictures = tmp_path / "images.npz", np.zeros((10, 28, 28, 1), np.uint8)
    pictures[:, 0, 0, 0] = range(10)
    np.savez(path, images=pictures, labels=np.arange(10))
    return path


@pytest.fixture
def locust(images, tmp_path):
    """`with locust(url, *options, rate_rps=50, ...) as process`: a Locust under way, in a folder of its own."""

    def start(url, *options, headless=True, files=(), pass_fds=(), **changes):
        values = {
            "arrivals": "{kind: constant, rate_rps: 50, duration_s: 1}",
            "warmup_s": 0.5,
            "slo": "{p50_ms: 5000}",
            "payload.images": images,
            "target.url": url,
            "target.metrics_url": "null",
            **changes,
        }
        overrides = [word for key, value in values.items() for word in ("--override", f"{key}={value}")]
        locustfile = ",".join(map(str, (ROOT / "loadtest" / "locustfile.py", *files)))
        command = ("locust", "-f", locustfile) if files else ("loadtest.engine",)
        program = ("-m", *command, "--report-dir", "report", "--override", LATE, *overrides)
        return children.started(
            *python(*program, *(["--headless"] if headless else []), *options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "500"},
            pass_fds=pass_fds,
        )

    return start


def ended(process, timeout_s=60):
    """Exit code and what was said."""
    said, _ = process.communicate(timeout=timeout_s)
    assert "Traceback" not in said, said
    return process.returncode, said


@pytest.fixture
def report(tmp_path):
    return lambda: read_result(tmp_path / "report")


def test_a_run_ends_with_its_verdict_a_report_and_a_page(fake, locust, report, tmp_path):
    with locust(fake.url, "--junit", "verdict.xml", "--print-report") as process:
        exit_code, said = ended(process)

    assert (0, "PASS", 50) == (exit_code, report().verdict.outcome, report().figures.answered), said
    assert "\nPASS  smoke at " in said
    assert [report()] == [Result.model_validate_json(line) for line in said.splitlines() if line.startswith("{")]
    assert "PASS" in (tmp_path / "report" / "report.html").read_text()
    assert 'failures="0"' in (tmp_path / "verdict.xml").read_text()


def test_both_reports_and_statistics_count_from_when_a_request_was_due(grpc_fake, locust, report, tmp_path):
    grpc_fake.delay_s = 0.02
    changes = {"arrivals": "{kind: constant, rate_rps: 100, duration_s: 1}", "slo": "{p50_ms: 1}", "warmup_s": 0}
    limits = {"generator.max_in_flight": 1, "target.timeout_s": 30}
    with locust(grpc_fake.url, "--json-file", "statistics", **changes, **limits) as process:
        exit_code, said = ended(process)
    figures = report().figures
    (statistics,) = json.loads((tmp_path / "statistics.json").read_text())
    response_times_ms = {float(key): count for key, count in statistics["response_times"].items()}

    assert (1, "FAIL") == (exit_code, report().verdict.outcome), said
    assert 5 * figures.service_ms.p50 <= figures.latency_ms.p50
    assert max(response_times_ms) == pytest.approx(figures.latency_ms.max, rel=0.01)
    assert any(key % 1 for key in response_times_ms), "whole milliseconds"


def test_a_mistake_and_a_target_that_does_not_answer_have_exit_codes_of_their_own(silent_url, locust):
    with locust(silent_url, "--scenario", "nope") as wrong, locust(silent_url) as silent:
        told = [ended(wrong), ended(silent)]

    assert [2, 3] == [exit_code for exit_code, _ in told]
    assert "error: no scenario 'nope'" in told[0][1]
    assert "error: nothing was measured, the target does not answer" in told[1][1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_run_that_is_stopped_leaves_a_partial_report_and_is_invalid(grpc_fake, locust, report, number):
    with locust(grpc_fake.url, arrivals="{kind: constant, rate_rps: 100, duration_s: 60}") as process:
        until(lambda: grpc_fake.asked["infer"] > 200, process)
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)  # gevent may show in which greenlet Ctrl-C met Locust

    assert (3, "INVALID", True) == (process.returncode, report().verdict.outcome, report().partial), said
    assert 0 < report().figures.answered < 6_000


def test_a_run_without_a_request_is_no_pass(grpc_fake, locust):
    gate = grpc_fake.hold("config")
    try:
        with locust(grpc_fake.url, "-t", "1s") as process:
            exit_code, said = ended(process)
    finally:
        gate.set()

    assert 3 == exit_code, said
    assert "nothing was measured" in said


def test_a_follower_of_the_run_hears_where_it_is_and_where_the_report_lies(grpc_fake, locust):
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as messages:
        with locust(grpc_fake.url, "--progress-fd", write_end, "--no-page", pass_fds=[write_end]) as process:
            os.close(write_end)
            exit_code, said = ended(process)
        told = [json.loads(line) for line in messages]
    shown = {"second", "warmup_s", "window_s", "offered_rps", "p50_ms", "p99_ms", "lag_p99_ms", "errors"}

    assert 0 == exit_code, said
    assert all(shown == set(message) for message in told[:-1])
    assert {"report": "report/report.json", "exit_code": 0} == told[-1]
    assert "PASS" not in said, "the follower shows the verdict"


def test_the_scenario_of_a_request_is_read_before_the_processes_start_and_never_again(grpc_fake, images, tmp_path):
    trace, file = tmp_path / "trace.csv", tmp_path / "mine.yaml"
    trace.write_text("at_s,rate_rps\n0,50\n1,50\n")
    target = {"url": grpc_fake.url, "metrics_url": None, "headers": {"X-Key": "s3cret-value"}}
    document = {
        "description": "one second",
        "target": target,
        "payload": {"images": str(images)},
        "arrivals": {"kind": "trace", "process": "constant", "file": "trace.csv"},
        "warmup_s": 0.5,
        "slo": {"p50_ms": 5000},
        "generator": {"max_lag_ms": 10_000},
    }
    file.write_text(yaml.safe_dump(document))
    request = RunRequest(
        name="mine",
        scenario=load_scenario(str(file)),
        repository=tmp_path,
        report_dir=tmp_path / "report",
        junit=None,
        command="slipway loadtest mine.yaml",
        page=False,
    )
    file.unlink()
    trace.unlink()
    done, _ = follow_run(request, processes=2, tell=lambda _: None)

    assert ("PASS", 50, 2) == (done.verdict.outcome, done.figures.answered, len(done.generator.workers))
    assert {"X-Key": "…"} == done.scenario.target.headers
    assert ("mine", request.command, request.scenario.arrivals) == (done.name, done.command, done.scenario.arrivals)


def test_two_processes_share_one_schedule_of_which_nothing_is_lost(grpc_fake, locust, report):
    port = str(free_port())
    crowd = ("--processes", "2", "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port)
    with locust(grpc_fake.url, *crowd) as process:
        exit_code, said = ended(process)
    workers = report().generator.workers

    assert (0, "PASS") == (exit_code, report().verdict.outcome), said
    assert [(25, 25, False)] * 2 == [(worker.due, worker.reported, worker.lost) for worker in workers]


def test_workers_that_do_not_come_are_no_verdict(grpc_fake, locust):
    alone = ("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(free_port()))
    with locust(grpc_fake.url, *alone, "--expect-workers", "1", "--expect-workers-max-wait", "1") as process:
        exit_code, said = ended(process)

    assert 3 == exit_code, said
    assert "expected 1 workers within 1 s, got 0" in said


DEFECTS = {
    "beginning": ("coordinator.Plan.of_share", "the run could not begin: LookupError: broken"),
    "sending": ("transports.GrpcLoadTransport.send", "generator local failed: LookupError: broken"),
    "a share": ("plugin.Generator.start", "generator local failed: LookupError: broken"),
    "following": ("coordinator.ServerWatch.begin", "the run could not be completed: LookupError: broken"),
    "building the result": ("active_run.build_result", "the run could not be completed: LookupError: broken"),
    "writing": ("coordinator.write_outputs", "error: the disk is gone"),
}
BROKEN = """
from loadtest.engine import active_run, coordinator, locust_plugin as plugin, transports
from loadtest.errors import ReportError

def broken(*_args, **_options):
    raise {error}

{name} = broken
"""


@pytest.mark.parametrize("step", DEFECTS)
def test_whatever_breaks_ends_the_run_with_its_reason_and_never_with_success(grpc_fake, locust, tmp_path, step):
    name, words = DEFECTS[step]
    error = "ReportError('the disk is gone')" if step == "writing" else "LookupError('broken')"
    (tmp_path / "broken.py").write_text(BROKEN.format(name=name, error=error))
    with locust(grpc_fake.url, "--no-page", files=["broken.py"]) as process:
        said, _ = process.communicate(timeout=60)

    assert 3 == process.returncode, said
    assert words in said


def test_the_page_starts_runs_shows_the_report_and_keeps_reports_that_are_not_its_own(grpc_fake, locust, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "report.json").write_text("kept")
    port = str(free_port())
    served = ("--web-host", "127.0.0.1", "--web-port", port)
    with (
        locust(grpc_fake.url, *served, headless=False) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
    ):
        before = until(lambda: reached(client, "/report"), process)
        began = None
        for _ in range(2):
            swarm(client)
            began = until(partial(newest, tmp_path, after=began), process)
            until(lambda: "stopped" == client.get("/stats/requests").json()["state"], process)
            shown = client.get("/report")
        swarm(client, report_dir="kept")
        refused = until(lambda: client.get("/exceptions").json()["exceptions"], process)
        process.send_signal(signal.SIGTERM)
        ended(process)

    assert 404 == before.status_code
    assert (200, True) == (shown.status_code, "PASS" in shown.text)
    assert "report.json exists already" in refused[0]["msg"]
    assert "kept" == (tmp_path / "kept" / "report.json").read_text()


def reached(client, path):
    try:
        return client.get(path)
    except httpx.TransportError:
        return None  # it does not listen yet


def swarm(client, **fields):
    answer = client.post("/swarm", data={"user_count": "8", "spawn_rate": "8", "host": "", **fields})
    assert answer.json()["success"], answer.text


def newest(folder, *, after):
    """When the run began whose report lies in the folder; None until that is another one."""
    path = folder / "report" / "report.json"
    started = read_result(path).started if path.exists() else None
    return None if started == after else started


def until(true, process, *, within_s=40):
    deadline_s = time.monotonic() + within_s
    while not (answer := true()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    return answer
