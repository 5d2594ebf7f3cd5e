"""Whatever keeps a run from beginning ends it, with its reason: no wait without end."""

import re
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress

import psutil
import pytest

from tests.children import started
from tests.integration.loadtest_commands import PATIENT, SLIPWAY, WIDE, loadtest

pytestmark = pytest.mark.timeout(180)

SHORT = ("--duration-s", "2", "--set", "warmup_s=0.5", "--slo", "p50_ms=1000", "--slo", "p99_ms=null", *PATIENT)


@pytest.mark.parametrize(
    ("options", "environment", "words"),
    [
        (("--url", "https://127.0.0.1:1", "--set", "target.ca_file=nope.pem"), {}, "expected a PEM file"),
        (("--url", "https://127.0.0.1:1", "--set", "target.ca_file=garbage.pem"), {}, "garbage.pem|certificate"),
        (("--url", "http://nowhere.invalid:80"), {"ALL_PROXY": "socks5://127.0.0.1:9"}, "socks"),
    ],
    ids=["no file", "no certificate", "proxy"],
)
def test_a_client_that_cannot_be_made_ends_the_run_with_the_reason(tmp_path, options, environment, words):
    (tmp_path / "garbage.pem").write_text("garbage")
    done = subprocess.run(
        [SLIPWAY, "loadtest", "smoke", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={name: value for name, value in WIDE.items() if not name.lower().endswith("_proxy")} | environment,
        timeout=120,
    )

    assert done.returncode in (2, 3), done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert re.search(words, done.stderr, re.IGNORECASE)
    assert "Traceback" not in done.stderr


@pytest.fixture(params=["headers", "body"])
def endless_page(request):
    """The URL of a page that never ends, after or within its headers."""
    begin = b"HTTP/1.1 200 OK\r\n" + (b"Content-Type: text/plain\r\n\r\n" if request.param == "body" else b"")
    over = threading.Event()

    def drip(connection):
        with connection, suppress(OSError):
            connection.sendall(begin)
            while not over.wait(0.1):
                connection.sendall(b"x-a: b\r\n")

    def serve(listener):
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.triton
def test_a_metrics_page_without_end_is_left_out(at, endless_page, tmp_path):
    run = loadtest("smoke", *at(), *SHORT, "--metrics-url", endless_page, cwd=tmp_path)

    assert 0 == run.exit_code, run.stdout + run.stderr
    assert run.result.server is None
    assert "no answer within 5 s" in run.stdout


@pytest.mark.triton
@pytest.mark.parametrize("wait_s", [0, 3], ids=["while it begins", "while it runs"])
def test_ctrl_c_ends_a_run_of_two_processes_and_leaves_none(at, tmp_path, wait_s):
    words = (SLIPWAY, "loadtest", "smoke", *at(), "--duration-s", 60, "--processes", 2, *PATIENT)
    pipe = subprocess.PIPE
    with started(*words, cwd=tmp_path, env=WIDE, stdout=pipe, stderr=pipe, text=True) as command:
        while len(children := psutil.Process(command.pid).children(recursive=True)) < 3:
            time.sleep(0.05)
        time.sleep(wait_s)
        command.send_signal(signal.SIGINT)
        stdout, stderr = command.communicate(timeout=100)
        left = [child.pid for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]

    assert command.returncode in (3, 130), stdout + stderr
    assert "Traceback" not in stderr
    assert [] == left
