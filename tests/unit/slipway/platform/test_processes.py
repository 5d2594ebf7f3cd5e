"""Child processes: their end with this process, their exit codes, and waits that Ctrl-C interrupts."""

import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from slipway.platform.processes import ChildProcess, signal_name


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def test_child_writes_its_log_and_its_exit_code_is_kept(log):
    command = ("/bin/sh", "-c", 'echo "$WORD"; echo oh >&2; exit 3')
    process = ChildProcess(command, log=log, environment={"WORD": "hello"})

    assert 3 == process.wait(None) == process.wait(0)
    assert "hello\noh\n" == log.read_text()


def test_child_is_ended_by_sigterm_and_signals_after_its_end_go_nowhere(log):
    process = ChildProcess(("/bin/sleep", "600"), log=log)
    running = process.wait(0)
    process.terminate()

    assert running is None
    assert -signal.SIGTERM == process.wait(None)
    process.terminate()
    process.kill()


@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "SIGKILL"), (40, "signal 40"), (127, "signal 127")])
def test_every_signal_that_ends_a_program_is_named_or_numbered(number, name):
    assert name == signal_name(number)


def test_a_program_that_is_none_is_an_os_error(log, monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError):
        ChildProcess(("/bin/true",), log=log)


def test_child_outlives_the_thread_that_started_it(log):
    processes = []

    def start():
        processes.append(ChildProcess(("/bin/sh", "-c", "echo on; exec sleep 600"), log=log))
        while log.read_text() != "on\n":
            time.sleep(0.01)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    (process,) = processes

    assert process.wait(0.3) is None
    process.kill()
    assert -signal.SIGKILL == process.wait(None)


INTERRUPTED_8000_TIMES = """
import signal
import tempfile
from slipway.platform.processes import ChildProcess

class Interrupted(Exception):
    pass

def interrupt(*_):
    raise Interrupted

process = ChildProcess(("/bin/sleep", "600"), log=tempfile.TemporaryFile())
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


def test_a_child_ends_with_its_parent_however_that_ends(tmp_path):
    script = (
        "import sys, time; from pathlib import Path\n"
        "from slipway.platform.processes import ChildProcess\n"
        f"child = ChildProcess(('/bin/sleep', '60'), log=Path({str(tmp_path / 'log')!r}))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))

    parent.kill()
    parent.wait()
    parent.stdout.close()

    gone, alive = psutil.wait_procs([child], timeout=10)
    assert ([child], []) == (gone, alive)


def test_a_child_that_outlived_its_thread_is_stopped(tmp_path):
    started = []
    asker = threading.Thread(target=lambda: started.append(ChildProcess(("/bin/sleep", "60"), log=tmp_path / "log")))
    asker.start()
    asker.join()
    (child,) = started

    assert child.wait(0.3) is None
    assert -signal.SIGTERM == child.stop(grace_s=5)


def test_stop_kills_what_ignores_the_request(tmp_path):
    child = ChildProcess(("/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"), log=tmp_path / "log")
    while "up" not in (tmp_path / "log").read_text():
        time.sleep(0.01)

    assert -signal.SIGKILL == child.stop(grace_s=0.2)


def test_a_program_that_is_not_there_is_an_error_of_the_child(tmp_path):
    child = ChildProcess((str(tmp_path / "nothing"),), log=tmp_path / "log")

    assert 1 == child.wait(10)
    assert "No such file" in (tmp_path / "log").read_text()


def test_an_open_file_takes_the_log_and_stays_open(tmp_path):
    with (tmp_path / "log").open("w+b") as log:
        ChildProcess(("/bin/echo", "hello"), log=log).wait()
        log.seek(0)

        assert b"hello\n" == log.read()
