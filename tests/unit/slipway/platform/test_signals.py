"""Being told to end from outside is as good as Ctrl-C."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal, sys
from slipway.platform.signals import signals_as_interrupt

before = signal.getsignal(signal.SIGTERM)
try:
    with signals_as_interrupt():
        print("begun", flush=True)
        sys.stdin.readline()
        print("read", flush=True)
except KeyboardInterrupt:
    print("cleaned up", signal.getsignal(signal.SIGTERM) == before)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_lets_the_program_clean_up(number):
    heeded = f"import signal; signal.signal({number:d}, signal.SIG_DFL)\n"  # pytest itself may run under nohup
    with subprocess.Popen([sys.executable, "-c", heeded + PROGRAM], stdin=-1, stdout=-1, text=True) as program:
        begun = program.stdout.readline()
        program.send_signal(number)
        said, _ = program.communicate(timeout=20)

    assert ("begun\n", "cleaned up True\n") == (begun, said)


def test_a_program_that_nohup_started_outlives_its_terminal():
    command = ["nohup", sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, text=True) as program:
        begun = program.stdout.readline()
        program.send_signal(signal.SIGHUP)
        said, _ = program.communicate("go on\n", timeout=20)

    assert ("begun\n", "read\n") == (begun, said)
