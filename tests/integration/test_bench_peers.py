"""`python -m benchmarks.peers` against the real embedded server, with the real clients: every part runs."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.peers.contenders import BARE, EMBEDDED
from benchmarks.peers.load import missing_programs
from tests.children import started

pytestmark = pytest.mark.triton
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def clients():
    if missing := missing_programs():
        pytest.skip(missing)  # packages of Debian, which `make test` cannot install


def command(repository, output, *options):
    words = ("-m", "benchmarks.peers", "--quick", "--repository", repository, "--output", output)
    return [sys.executable, *map(str, words), *options]


def test_the_quick_measurement_takes_every_embedded_contender_and_checks_its_answers(published_repository, tmp_path):
    done = subprocess.run(
        command(published_repository, tmp_path / "runs" / "peers.json"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    document = json.loads((tmp_path / "runs" / "peers.json").read_text()) if not done.returncode else {}

    assert 0 == done.returncode, done.stderr
    assert {} == document["failures"]
    assert {each.name for each in (*EMBEDDED, BARE)} == set(document["rounds"])
    assert {"http-c1", "http-16-images-c4", "grpc-c4"} == set(document["rounds"]["native"][0]["samples"])
    assert "| slipway serve, native backend | V2, binary |" in done.stdout
    assert "min" in done.stderr.splitlines()[0]


def test_ctrl_c_ends_the_measurement_and_every_server_of_it(published_repository, tmp_path):
    words = command(published_repository, tmp_path / "peers.json", "--only", "native", "--rounds", "50")
    with started(*words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        process = psutil.Process(running.pid)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (servers := _tritonservers(process)):
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)

    assert servers
    assert 130 == running.returncode
    assert "interrupted" in said
    assert [] == [server for server in servers if server.is_running() and server.status() != psutil.STATUS_ZOMBIE]
    assert not (tmp_path / "peers.json").exists()


def _tritonservers(process):
    return [child for child in process.children(recursive=True) if child.name() == "tritonserver"]
