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


STOPPED = """
import signal, time
from slipway.platform.signals import stop_requests

signal.signal(signal.SIGINT, signal.default_int_handler)
with stop_requests() as stop:
    print("begun", flush=True)
    assert stop.wait(60)
    try:
        print("asked", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_a_loop_to_stop_and_the_second_interrupts_it(first):
    with subprocess.Popen([sys.executable, "-c", STOPPED], stdout=-1, text=True) as program:
        begun = program.stdout.readline()
        program.send_signal(first)
        asked = program.stdout.readline()
        program.send_signal(signal.SIGINT)
        said, _ = program.communicate(timeout=20)

    assert ("begun\n", "asked\n", "interrupted\n") == (begun, asked, said)


def test_sigterm_gives_back_what_is_held_and_ends_with_143():
    held = """
import sys
from slipway.platform.signals import ended_by_sigterm
with ended_by_sigterm():
    try:
        print("begun", flush=True)
        sys.stdin.readline()
    finally:
        print("given back")
"""
    with subprocess.Popen([sys.executable, "-c", held], stdin=-1, stdout=-1, text=True) as program:
        program.stdout.readline()
        program.send_signal(signal.SIGTERM)
        said = program.stdout.read()

        assert ("given back\n", 143) == (said, program.wait(timeout=20))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_of_asyncio_is_cancelled_and_ends_well(number):
    served = """
import asyncio
from slipway.platform.signals import until_signalled
async def serve():
    print("begun", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("cleaned up")
asyncio.run(until_signalled(serve()))
"""
    with subprocess.Popen([sys.executable, "-c", served], stdout=-1, text=True) as program:
        program.stdout.readline()
        program.send_signal(number)
        said = program.stdout.read()

        assert ("cleaned up\n", 0) == (said, program.wait(timeout=20))
