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
    process = ChildProcess(command, output=log, environment={"WORD": "hello"})

    assert 3 == process.wait(None) == process.wait(0)
    assert "hello\noh\n" == log.read_text()


def test_child_is_ended_by_sigterm_and_signals_after_its_end_go_nowhere(log):
    process = ChildProcess(("/bin/sleep", "600"), output=log)
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
        ChildProcess(("/bin/true",), output=log)


def test_child_outlives_the_thread_that_started_it(log):
    processes = []

    def start():
        processes.append(ChildProcess(("/bin/sh", "-c", "echo on; exec sleep 600"), output=log))
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

process = ChildProcess(("/bin/sleep", "600"), output=tempfile.TemporaryFile())
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


def test_ctrl_c_while_the_thread_starts_leaves_no_child(log, monkeypatch):
    start, here, found = threading.Thread.start, psutil.Process(), []
    before = set(here.children())

    def interrupted(thread):
        start(thread)
        while not found:
            found.extend(set(here.children()) - before)
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ChildProcess(("/bin/sleep", "60"), output=log)
    gone, alive = psutil.wait_procs(found, timeout=20)
    for child in alive:
        child.kill()

    assert ([], 1) == (alive, len(gone))


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
        f"child = ChildProcess(('/bin/sleep', '60'), output=Path({str(tmp_path / 'log')!r}))\n"
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
    asker = threading.Thread(target=lambda: started.append(ChildProcess(("/bin/sleep", "60"), output=tmp_path / "log")))
    asker.start()
    asker.join()
    (child,) = started

    assert child.wait(0.3) is None
    assert -signal.SIGTERM == child.stop(grace_s=5)


def test_stop_kills_what_ignores_the_request(tmp_path):
    child = ChildProcess(("/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"), output=tmp_path / "log")
    while "up" not in (tmp_path / "log").read_text():
        time.sleep(0.01)

    assert -signal.SIGKILL == child.stop(grace_s=0.2)


def test_a_program_that_is_not_there_is_an_error_of_the_child(tmp_path):
    child = ChildProcess((str(tmp_path / "nothing"),), output=tmp_path / "log")

    assert 1 == child.wait(10)
    assert "No such file" in (tmp_path / "log").read_text()


def test_an_open_file_takes_the_log_and_stays_open(tmp_path):
    with (tmp_path / "log").open("w+b") as log:
        ChildProcess(("/bin/echo", "hello"), output=log).wait()
        log.seek(0)

        assert b"hello\n" == log.read()


def test_output_and_errors_are_told_apart_and_the_input_is_read(tmp_path):
    with (tmp_path / "question").open("w+b") as question, (tmp_path / "errors").open("w+b") as errors:
        question.write(b"who?")
        question.seek(0)
        command = ("/bin/sh", "-c", "cat; echo oh >&2")
        ChildProcess(command, output=tmp_path / "log", errors=errors, input=question).wait(60)
        errors.seek(0)

        assert ("who?", b"oh\n") == ((tmp_path / "log").read_text(), errors.read())


def test_an_environment_is_the_whole_of_it(log, monkeypatch):
    monkeypatch.setenv("INHERITED", "yes")
    command = ("/bin/sh", "-c", 'echo "$INHERITED $GIVEN"')

    ChildProcess(command, output=log, environment={"GIVEN": "1"}).wait(60)
    ChildProcess(command, output=log).wait(60)

    assert " 1\nyes \n" == log.read_text()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("last_signal", [None, signal.SIGKILL])
def test_a_word_that_cannot_be_handed_over_is_an_error_of_the_caller(log, last_signal):
    with pytest.raises(ValueError, match="null byte"):
        ChildProcess(("/bin/echo", "a\0b"), output=log, last_signal=last_signal)


def test_a_child_without_a_last_signal_goes_on_when_its_parent_is_gone(log):
    script = (
        "import sys; from pathlib import Path; from slipway.platform.processes import ChildProcess; "
        f"print(ChildProcess(('/bin/sleep', '60'), output=Path({str(log)!r}), last_signal=None).pid)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    child = psutil.Process(int(ended.stdout))

    assert ["/bin/sleep", "60"] == child.cmdline()
    child.kill()


def test_a_whole_group_is_asked_before_it_is_killed(log):
    """SIGUSR1 here: a shell lets what it starts in the background ignore SIGINT."""
    helper = "trap 'echo helper; exit' USR1; echo up; while :; do sleep 0.1; done"
    program = f"trap 'wait; echo program; exit 3' USR1; sh -c \"{helper}\" & wait"
    child = ChildProcess(("/bin/sh", "-c", program), output=log)
    while "up" not in log.read_text():
        time.sleep(0.01)

    assert 3 == child.stop(grace_s=30, group_signal=signal.SIGUSR1)
    assert {"helper", "program"} <= set(log.read_text().splitlines())
