"""A program that is started by the launcher: what it inherits, and what ends it."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

from slipway.platform.launcher import launch_command

SLEEP = ("/bin/sleep", "60")


def ended(pid):
    """Whether a process is gone within a time that is far more than it takes."""
    deadline_s = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGPIPE])
def test_a_signal_that_the_starter_ignores_ends_the_program(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        program = subprocess.Popen(launch_command(SLEEP, last_signal=signal.SIGKILL))
    finally:
        signal.signal(number, before)
    while psutil.Process(program.pid).name() != "sleep":
        time.sleep(0.01)
    program.send_signal(number)

    assert -number == program.wait(timeout=20)


def test_a_program_does_not_outlive_its_starter():
    starter = (
        "import signal, subprocess, sys; from slipway.platform.launcher import launch_command; "
        f"print(subprocess.Popen(launch_command({SLEEP!r}, last_signal=signal.SIGKILL)).pid, flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", starter], stdin=-1, stdout=-1, text=True) as process:
        pid = int(process.stdout.readline())
        process.kill()

    assert ended(pid)
