"""`slipway loadtest` against a real tritonserver: verdicts, figures, and every way in which a run can go wrong."""

import os
import signal
import time
from xml.etree import ElementTree as ET

import httpx
import numpy as np
import pytest

from loadtest.result.run_result import read_result
from loadtest.scenario.plan import due_times_ns
from slipway.samples import Samples, write_samples
from slipway.triton import ServerSettings, TritonServer
from tests.integration.loadtest_commands import PATIENT, SLIPWAY, loadtest, started

pytestmark = [pytest.mark.triton, pytest.mark.timeout(180)]

SHORT = ("--duration-s", "3", "--set", "warmup_s=1", *PATIENT)
EASY = ("--slo", "p50_ms=1000", "--slo", "p99_ms=2000")


@pytest.fixture
def own_server(published_repository):
    with TritonServer(ServerSettings(repository=published_repository)) as server:
        yield server


def scheduled(result):
    """Requests of each second, as the scenario's seed draws them."""
    warmup_s = result.scenario.warmup_s
    due_ns = due_times_ns(result.scenario.arrivals, warmup_s=warmup_s, seed=result.scenario.seed)
    seconds, counts = np.unique((due_ns - round(warmup_s * 1e9)) // 10**9, return_counts=True)
    return dict(zip(seconds.tolist(), counts.tolist(), strict=True))


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_service_within_its_objectives_passes_and_the_server_counted_the_same(at, tmp_path, protocol):
    run = loadtest("smoke", *at(protocol), *SHORT, *EASY, "--junit", tmp_path / "verdict.xml", cwd=tmp_path)
    result = run.result
    suite = ET.parse(tmp_path / "verdict.xml").getroot()[0]

    assert (0, "PASS") == (run.exit_code, result.verdict.outcome), run.stdout + run.stderr
    assert run.stdout.startswith("PASS  smoke")
    assert result.figures.due == result.figures.answered
    assert scheduled(result) == {row.second: row.due for row in result.seconds}
    assert result.figures.due == pytest.approx(result.server.requests, abs=50)  # the edges of its scrapes
    assert protocol == result.target.protocol
    assert result.figures.latency_ms.p50 >= result.figures.service_ms.p50 > 0
    assert result.server.usage, "the server runs here, so its processes were watched"
    assert ("3", "0", "0") == (suite.get("tests"), suite.get("failures"), suite.get("errors"))
    assert "PASS" in run.page.read_text()


def test_a_service_beyond_an_objective_fails_with_exit_code_1(at, tmp_path):
    run = loadtest("smoke", *at(), *SHORT, "--slo", "p50_ms=null", "--slo", "p99_ms=0.01", cwd=tmp_path)

    assert 1 == run.exit_code, run.stdout + run.stderr
    assert run.stdout.startswith("FAIL  smoke")
    assert ["p99"] == [check.name for check in run.result.verdict.checks if not check.passed]


def frozen_run(server, words, cwd):
    """A run of six seconds in whose window the server stands still for one, however fast it is.

    Its backend's processes go on: were they stopped, too, Triton would sometimes wake first and take them for dead.
    """
    with started(SLIPWAY, "loadtest", *words, cwd=cwd) as command:
        before = success_count(server)
        while success_count(server) < before + 100:
            time.sleep(0.05)
        time.sleep(1.5)  # the warm-up is over
        os.kill(server.pid, signal.SIGSTOP)
        time.sleep(1)
        os.kill(server.pid, signal.SIGCONT)
        stdout, stderr = command.communicate(timeout=60)
    return type("Run", (), {"stdout": stdout, "stderr": stderr})


def success_count(server):
    lines = httpx.get(server.metrics_url, trust_env=False).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("nv_inference_request_success{"))


def test_a_server_that_freezes_for_a_second_shows_it_in_the_open_loop_and_hides_it_in_the_closed(
    own_server, at, tmp_path
):
    common = (*at(server=own_server), "--duration-s", "6", "--set", "warmup_s=0.5", *PATIENT, *EASY)
    frozen_run(own_server, ("smoke", *common, "-o", tmp_path / "open"), tmp_path)
    frozen_run(own_server, ("smoke", *common, "--closed-loop", "2", "-o", tmp_path / "closed"), tmp_path)
    in_open, in_closed = (read_result(tmp_path / name) for name in ("open", "closed"))

    assert (True, False) == (in_open.generator.open_loop, in_closed.generator.open_loop)
    assert in_open.figures.latency_ms.p99 > 500
    assert in_closed.figures.latency_ms.max > 500, "the freeze was in its window, too"
    assert in_closed.figures.latency_ms.p99 < 250


def test_a_generator_that_cannot_keep_up_gives_invalid(at, tmp_path):
    run = loadtest("smoke", *at("http"), "--rate", 40_000, "--duration-s", 3, "--set", "warmup_s=0", cwd=tmp_path)

    assert (3, "INVALID") == (run.exit_code, run.result.verdict.outcome), run.stdout + run.stderr
    assert any("generator" in reason for reason in run.result.verdict.reasons)


def test_wrong_answers_are_errors(at, tmp_path, in_process):
    images = np.random.default_rng(4).integers(0, 256, (50, 28, 28, 1), dtype=np.uint8)
    wrong = (in_process(images).argmax(axis=1) + 1) % 10
    write_samples(tmp_path / "wrong.npz", Samples(images=images, labels=wrong))
    words = ("--set", "correctness.check_share=0.5", "--images", tmp_path / "wrong.npz")
    run = loadtest("smoke", *at(), *SHORT, *EASY, *words, cwd=tmp_path)

    assert 1 == run.exit_code
    assert ["wrong answer"] == list(run.result.figures.errors)
    assert 0.4 < run.result.figures.error_rate < 0.6


def test_a_server_that_dies_in_the_run_fails_it(own_server, at, tmp_path):
    words = (*at(server=own_server), *SHORT, *EASY, "-o", tmp_path / "report")
    with started(SLIPWAY, "loadtest", "smoke", *words, cwd=tmp_path) as command:
        while success_count(own_server) < 200:
            time.sleep(0.05)
        os.killpg(own_server.pid, signal.SIGKILL)
        stdout, stderr = command.communicate(timeout=60)

    assert 1 == command.returncode, stdout + stderr
    assert stdout.startswith("FAIL")
    assert "unreachable" in stdout
    assert "metrics were not read" in stdout
    assert "Traceback" not in stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_run_that_is_stopped_leaves_a_partial_report(own_server, at, tmp_path, number):
    """With a server of its own, for calls that are cancelled abruptly may end a tritonserver 2.51 (SECURITY.md)."""
    words = (
        *at(server=own_server),
        "--duration-s",
        "60",
        "--set",
        "warmup_s=1",
        *PATIENT,
        *EASY,
        "-o",
        tmp_path / "report",
    )
    with started(SLIPWAY, "loadtest", "smoke", *words, cwd=tmp_path) as command:
        before = success_count(own_server)
        while success_count(own_server) < before + 700:  # the warm-up is over, and some seconds of the window
            time.sleep(0.05)
        command.send_signal(number)
        stdout, stderr = command.communicate(timeout=60)
    result = read_result(tmp_path / "report")

    assert 3 == command.returncode, stdout + stderr
    assert (True, "INVALID") == (result.partial, result.verdict.outcome)
    assert "interrupted" in stdout
    assert 0 < result.figures.window_s < 30
    assert result.figures.answered > 0
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("words", "exit_code", "text"),
    [
        (("smoke", "--url", "grpc://127.0.0.1:1"), 3, "connection failed"),
        (("smoke", "--model", "nist"), 2, "model not found"),
        (("smoke", "--set", "target.version=9"), 2, "9"),
        (("smoke", "--slo", "p99_mss=3"), 2, "did you mean 'p99_ms'"),
        (("smoke", "--set", "payload.batches=[{images: 17}]"), 2, "expected at most 16 images"),
        (("smoke", "--images", "missing.npz"), 2, "missing.npz"),
        (("smokey",), 2, "no scenario 'smokey'"),
        (("smoke", "--report-dir", "/dev/null/report", *SHORT, *EASY), 3, "cannot be written"),
    ],
    ids=["unreachable", "no model", "no version", "unknown key", "large batch", "no images", "no scenario", "no disk"],
)
def test_what_cannot_run_says_why_in_words(at, tmp_path, words, exit_code, text):
    scenario, *options = words
    run = loadtest(scenario, *at(), *options, cwd=tmp_path)

    assert exit_code == run.exit_code, run.stdout + run.stderr
    assert text in run.stderr


def test_published_samples_are_what_is_sent_when_nothing_else_is_named(own_repository, tmp_path, labelled):
    from slipway.repository import MANIFEST
    from slipway.samples import read_samples

    with TritonServer(ServerSettings(repository=own_repository)) as server:
        words = ("--url", server.grpc_url, "--repository", own_repository, *SHORT, *EASY)
        without = loadtest("smoke", *words, cwd=tmp_path)
        write_samples(own_repository / "mnist" / "1" / "samples.npz", read_samples(labelled))
        with_samples = loadtest("smoke", *words, cwd=tmp_path)

    assert (own_repository / "mnist" / "1" / MANIFEST).is_file()
    assert 2 == without.exit_code
    assert "published without samples.npz" in without.stderr
    assert 0 == with_samples.exit_code, with_samples.stdout + with_samples.stderr
