"""A contender's server is awaited, checked and ended with all of its processes; small programs stand in for it."""

import subprocess
import sys

import numpy as np
import psutil
import pytest

from benchmarks.peers.contenders import Command, Ports
from benchmarks.peers.payloads import RawBytes
from benchmarks.peers.running import RunningServer, ServerUnusable
from slipway.platform.ports import free_port

IMAGES = np.zeros((1, 28, 28, 1), np.uint8)
TENTHS = np.full((1, 10), 0.1, np.float32)
SERVER = """
import http.server, subprocess, sys
statuses = [503, 200]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(statuses[0] if len(statuses) == 1 else statuses.pop(0))
        self.end_headers()
        self.wfile.write(bytes.fromhex("cdcccc3d") * 10)
if sys.argv[2] == "leaves":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"], start_new_session=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def started(folder, program, *arguments):
    ports = Ports(http=free_port(), grpc=1)
    words = (sys.executable, "-c", program, str(ports.http), *arguments)
    return RunningServer(Command(words=words, environment={}), ports, folder)


def test_a_server_that_is_not_ready_yet_is_awaited_until_its_first_right_answer(tmp_path):
    with started(tmp_path, SERVER, "alone") as server:
        waited_s = server.wait_right(RawBytes(), IMAGES, TENTHS)
        memory = server.memory_mib()
        server.stop()

    assert 0 < waited_s
    assert 1 < sum(memory.values())
    assert 0 == server.killed


def test_a_server_whose_answers_are_not_onnx_runtimes_is_refused(tmp_path):
    with (
        started(tmp_path, SERVER, "alone") as server,
        pytest.raises(ServerUnusable, match="answers are not ONNX Runtime's"),
    ):
        server.wait_right(RawBytes(), IMAGES, np.ones((1, 10), np.float32))


def test_a_server_that_ends_before_it_answers_says_why(tmp_path):
    with (
        started(tmp_path, "import sys; sys.exit('no model')") as server,
        pytest.raises(ServerUnusable, match="ended with 1 before it answered: no model"),
    ):
        server.wait_right(RawBytes(), IMAGES, TENTHS)


def test_processes_that_a_server_leaves_behind_are_counted_and_ended(tmp_path):
    with started(tmp_path, SERVER, "leaves") as server:
        server.wait_right(RawBytes(), IMAGES, TENTHS)
        server.stop()
        left = server._find()

    assert 1 == server.killed
    assert 1 == len(left)
    assert [False] == [process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left]


def test_nothing_is_left_of_a_server_when_its_block_ends_with_an_error(tmp_path):
    with pytest.raises(ServerUnusable), started(tmp_path, SERVER, "leaves") as server:
        server.wait_right(RawBytes(), IMAGES, np.ones((1, 10), np.float32))

    assert [] == server._find()


def test_another_process_of_this_machine_is_none_of_a_servers(tmp_path):
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other,
        started(tmp_path, SERVER, "alone") as server,
    ):
        server.wait_right(RawBytes(), IMAGES, TENTHS)
        found = server._find()
        other.communicate(b"\n")

    assert 1 == len(found)
    assert other.pid not in {process.pid for process in found}
