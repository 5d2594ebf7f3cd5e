import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from slipway.platform.processes import signal_name
from slipway.triton._arguments import AdminKey
from slipway.triton._backend_processes import _in_words
from slipway.triton._launch import Launch
from slipway.triton._log import ServerLog
from slipway.triton._ports import Ports
from slipway.triton._process import ServerProcess

NOTHING = {
    "directory": None,
    "http_url": "",
    "ports": Ports(http=1, grpc=2, metrics=3),
    "models": (),
    "skipped": (),
    "left_out": (),
    "admin": AdminKey(),
    "activity": Path("/nowhere"),
    "shared_memory": "none",
}


def launch(*command):
    return Launch(command=command, environment={"WORD": "hello"}, **NOTHING)


@pytest.fixture
def log():
    log = ServerLog(None)
    yield log
    log.close()


def test_child_writes_its_log_and_its_exit_code_is_kept(log):
    process = ServerProcess(launch("/bin/sh", "-c", 'echo "$WORD"; echo oh >&2; exit 3'), log.file)

    assert 3 == process.wait(None) == process.wait(0)
    assert "hello\noh\n" == log.text()


def test_child_is_ended_by_sigterm_and_signals_after_its_end_go_nowhere(log):
    process = ServerProcess(launch("/bin/sleep", "600"), log.file)
    running = process.wait(0)
    process.terminate()

    assert running is None
    assert -signal.SIGTERM == process.wait(None)
    process.terminate()
    process.kill()


@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "SIGKILL"), (40, "signal 40"), (127, "signal 127")])
def test_every_signal_that_ends_a_program_is_named_or_numbered(number, name):
    assert name == signal_name(number)


def test_a_backend_that_a_nameless_signal_ended_is_told_of():
    status = 40  # as wait(2) gives it

    assert "was killed by signal 40" == _in_words(status)


def test_a_program_that_is_none_is_an_os_error(log, monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError):
        ServerProcess(launch("/bin/true"), log.file)


def test_child_outlives_the_thread_that_started_it(log):
    processes = []

    def start():
        processes.append(ServerProcess(launch("/bin/sh", "-c", "echo on; exec sleep 600"), log.file))
        while log.text() != "on\n":
            time.sleep(0.01)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    (process,) = processes

    assert process.wait(0.3) is None
    process.kill()
    assert -signal.SIGKILL == process.wait(None)


INTERRUPTED_8000_TIMES = """
import pathlib
import signal
from slipway.triton._arguments import AdminKey
from slipway.triton._launch import Launch
from slipway.triton._log import ServerLog
from slipway.triton._ports import Ports
from slipway.triton._process import ServerProcess

class Interrupted(Exception):
    pass

def interrupt(*_):
    raise Interrupted

launch = Launch(
    command=("/bin/sleep", "600"), environment={}, directory=None, http_url="", models=(), skipped=(),
    left_out=(),
    ports=Ports(http=1, grpc=2, metrics=3), admin=AdminKey(), activity=pathlib.Path("/nowhere"), shared_memory="none",
)
process = ServerProcess(launch, ServerLog(None).file)
signal.signal(signal.SIGALRM, interrupt)
interruptions = 0
for turn in range(8000):
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-5 + turn % 100 * 1e-6)
        while True:
            process.wait(1e-6)
    except Interrupted:
        interruptions += 1
process.terminate()
print(interruptions, process.wait(None))
"""


def test_an_interrupted_wait_can_be_repeated():
    """Ctrl-C at any instant: an exception out of a signal handler, here between any two bytecodes of the wait.

    In a process of its own: the exception would as well come up inside whatever measures or times this one.
    """
    command = [sys.executable, "-c", INTERRUPTED_8000_TIMES]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert "" == ended.stderr
    assert f"8000 {-signal.SIGTERM}" == ended.stdout.strip()
