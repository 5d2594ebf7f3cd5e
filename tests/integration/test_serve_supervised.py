"""A server that is ended from outside is started again by `slipway serve`, where it was."""

import os
import shutil
import signal
import sys

import httpx
import numpy as np
import pytest

from slipway.client import Classifier
from tests.integration.serve_command import child_of, serving
from tests.integration.server_processes import stubs_of
from tests.waiting import eventually

pytestmark = pytest.mark.triton

HANGS_ONCE = """#!{python}
import http.server, pathlib, sys

class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{{"name": "mnist", "versions": ["1"]}}')

(port,) = (int(word.partition("=")[2]) for word in sys.argv if word.startswith("--http-port="))
server = http.server.HTTPServer(("127.0.0.1", port), Ready)
once = pathlib.Path("{once}")
if not once.exists():
    once.touch()
    print("Signal (11) received.", flush=True)
server.serve_forever()
"""
BLANK = np.zeros((28, 28), np.uint8)


def answers(urls):
    try:
        return httpx.get(f"{urls['HTTP']}/v2/models/mnist/ready", trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def has_another_server(command, pid):
    try:
        return child_of(command.pid) != pid
    except ValueError:  # none at the moment
        return False


def read_until(command, text):
    """What the command writes on standard error up to a line with this text: clients may notice before it does."""
    lines = []
    for line in command.stderr:
        lines.append(line)
        if text in line:
            return "".join(lines)
    pytest.fail(f"expected a line with {text!r}, got {''.join(lines)}")


def end_of_the_story(command):
    command.send_signal(signal.SIGTERM)
    return command.communicate(timeout=60)[1]


@pytest.mark.usefixtures("backend")
def test_a_killed_server_answers_again_on_the_same_ports(published_repository):
    with serving(published_repository) as (command, _, urls):
        pid = child_of(command.pid)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: has_another_server(command, pid))
        eventually(lambda: answers(urls))
        for url in (urls["HTTP"], urls["gRPC"]):
            with Classifier(url, model="mnist", timeout_s=60) as classifier:
                assert 1 == len(classifier.predict(BLANK))
        complaint = end_of_the_story(command)

    assert complaint.startswith("tritonserver was killed by SIGKILL")
    assert "restart 1 of 5 in ten minutes" in complaint
    assert "tritonserver answers again" in complaint
    assert 0 == command.returncode


@pytest.mark.usefixtures("python_backend")
def test_after_a_backend_process_was_killed_no_request_fails_any_more(published_repository):
    with serving(published_repository) as (command, _, urls):
        pid = child_of(command.pid)
        lost, _ = stubs_of(pid)
        os.kill(lost, signal.SIGKILL)
        eventually(lambda: has_another_server(command, pid))
        eventually(lambda: answers(urls))
        with Classifier(urls["gRPC"], model="mnist", timeout_s=60) as classifier:
            for _ in range(20):
                assert 1 == len(classifier.predict(BLANK))
        complaint = end_of_the_story(command)

    assert complaint.startswith(f"a backend process of tritonserver ({lost}) was killed by SIGKILL")
    assert 0 == command.returncode


def test_a_server_that_hangs_in_its_crash_is_ended_and_started_again(published_repository, tmp_path):
    """It answers, until it has lost a thread: the second start is the one that goes on."""
    program = tmp_path / "tritonserver"
    program.write_text(HANGS_ONCE.format(python=sys.executable, once=tmp_path / "once"))
    program.chmod(0o755)
    with serving(published_repository, "--tritonserver", program) as (command, _, urls):
        complaint = read_until(command, "tritonserver answers again")
        with httpx.Client(trust_env=False) as client:
            status = client.get(f"{urls['HTTP']}/v2/models/mnist/ready").status_code
        command.send_signal(signal.SIGTERM)
        command.communicate(timeout=60)

    assert complaint.startswith("tritonserver was killed: it crashed (SIGSEGV), and did not end by itself\n")
    assert httpx.codes.OK == status


def test_a_server_that_dies_again_and_again_ends_the_command_with_the_reason(published_repository):
    with serving(published_repository, "--restarts", "1") as (command, _, urls):
        pid = child_of(command.pid)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: has_another_server(command, pid))
        eventually(lambda: answers(urls))
        os.kill(child_of(command.pid), signal.SIGKILL)
        _, complaint = command.communicate(timeout=60)

    assert "error: given up after 1 restarts in ten minutes (`--restarts`): tritonserver was killed by" in complaint
    assert 1 == command.returncode


def test_a_server_whose_files_were_removed_serves_on_and_when_it_dies_ends_with_what_is_gone(
    published_repository, tmp_path
):
    cache = tmp_path / "cache"
    with serving(published_repository, SLIPWAY_CACHE=str(cache)) as (command, _, urls):
        (view,) = (cache / "servers").glob("slipway-*/repository/mnist")
        shutil.rmtree(cache)
        assert answers(urls)
        os.kill(child_of(command.pid), signal.SIGKILL)
        _, complaint = command.communicate(timeout=60)

    assert f"error: expected {view}/" in complaint
    assert "to stay as long as the server runs, but it was removed" in complaint
    assert "Start `slipway serve` again" in complaint
    assert 1 == command.returncode


@pytest.mark.usefixtures("backend")
def test_json_that_ends_tritonserver_2_51_is_survived(published_repository):
    """Its shape asks for more memory than there is numbers: one of the published faults."""
    body = b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[2,28,2147483648,1],"data":[0]}]}'
    with serving(published_repository) as (command, _, urls):
        pid = child_of(command.pid)
        with httpx.Client(base_url=urls["HTTP"], trust_env=False) as client, pytest.raises(httpx.TransportError):
            client.post("/v2/models/mnist/infer", content=body, timeout=30)
        eventually(lambda: has_another_server(command, pid))
        eventually(lambda: answers(urls))
        end_of_the_story(command)

    assert 0 == command.returncode
