"""The native backend as `slipway serve` gets it: compiled by real compilers, chosen, refused and replaced."""

import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from slipway.client import Classifier
from slipway.triton import ServerSettings, TritonServer
from tests.children import started
from tests.integration.serve_command import ANY_PORTS, SLIPWAY, serving
from tests.integration.server_processes import group_of
from tests.waiting import eventually

pytestmark = pytest.mark.triton

BLANK = np.zeros((28, 28), np.uint8)


def compiler(name):
    """Words for CC."""
    if name != "ziglang":
        return shutil.which(name)
    wheel = importlib.util.find_spec(name)
    return f"{Path(wheel.origin).with_name('zig')} cc -target x86_64-linux-gnu.2.17" if wheel is not None else None


@pytest.mark.parametrize("name", ["gcc", "ziglang"])
def test_each_compiler_makes_a_backend_that_answers(published_repository, in_process, tmp_path, monkeypatch, name):
    if compiler(name) is None:
        pytest.skip(f"no {name} here")
    monkeypatch.setenv("CC", compiler(name))
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path))
    with (
        TritonServer(ServerSettings(repository=published_repository, backend="native", ready_timeout_s=120)) as server,
        Classifier(server.grpc_url, model="mnist", timeout_s=60) as classifier,
    ):
        probabilities = classifier.predict(BLANK).probabilities

    np.testing.assert_allclose(probabilities, in_process(BLANK.reshape(1, 28, 28, 1)), atol=1e-6)
    assert "" == server.fallback


def test_without_a_compiler_the_python_backend_serves_and_one_line_says_why(published_repository, tmp_path):
    failing = tmp_path / "cc"
    failing.write_text("#!/bin/sh\necho 'onnx.c:1: error: the disk is upside down' >&2\nexit 1\n")
    failing.chmod(0o755)
    with serving(published_repository, CC=str(failing), SLIPWAY_CACHE=str(tmp_path / "cache"), SLIPWAY_BACKEND="") as (
        command,
        _,
        urls,
    ):
        with Classifier(urls["gRPC"], model="mnist", timeout_s=60) as classifier:
            answers = len(classifier.predict(BLANK))
        command.send_signal(signal.SIGTERM)
        _, complaint = command.communicate(timeout=60)

    assert 1 == answers
    assert 1 == complaint.count("\n")
    assert complaint.startswith("warning: the Python backend runs the models, slower than the native one: ")
    assert f"{failing} ended with code 1: onnx.c:1: error: the disk is upside down" in complaint
    assert 'pip install "slipway-serving[native]"' in complaint
    assert 0 == command.returncode


def test_a_native_backend_that_is_asked_for_is_not_replaced(published_repository, monkeypatch, tmp_path):
    monkeypatch.setenv("CC", "/no/such/cc")
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path))
    done = subprocess.run(
        [SLIPWAY, "serve", "--repository", published_repository, "--backend", "native", *ANY_PORTS],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (4, "") == (done.returncode, done.stdout)
    assert "CC: expected a C compiler, got '/no/such/cc'" in " ".join(done.stderr.split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_start_that_is_interrupted_while_it_compiles_leaves_nothing(published_repository, tmp_path, number):
    slow = tmp_path / "cc"
    slow.write_text('#!/bin/sh\necho $$ > "$0.pid"\nsleep 600\n')
    slow.chmod(0o755)
    cache = tmp_path / "cache"
    with started(
        *(SLIPWAY, "serve", "--repository", published_repository, "--backend", "native", *ANY_PORTS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "CC": str(slow), "SLIPWAY_CACHE": str(cache)},
    ) as command:
        pid = tmp_path / "cc.pid"
        eventually(lambda: pid.exists() and pid.read_text().strip())
        command.send_signal(number)
        _, complaint = command.communicate(timeout=60)

    assert (0, b"") == (command.returncode, complaint)
    eventually(lambda: not group_of(int(pid.read_text())))
    assert [cache / "native" / "lock"] == list((cache / "native").iterdir())
    assert [] == list((cache / "servers").iterdir())
