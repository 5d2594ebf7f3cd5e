"""What the generator stands on, each in a Python that is prepared for gevent, as Locust's is."""

import os
import subprocess
import sys

import pytest

from tests.unit.gevent_programs import in_gevent as printed


def in_gevent(program):
    """The words that a program prints."""
    return printed(program).split()


def test_the_timer_never_wakes_early_and_lets_others_run_meanwhile():
    early, turns = in_gevent(
        """
import gevent, time
from contextlib import closing
from loadtest.engine.precise_timer import PreciseTimer
turns = 0
def other():
    global turns
    while True:
        turns += 1
        gevent.sleep(0.001)
gevent.spawn(other)
early = 0
with closing(PreciseTimer()) as timer:
    for _ in range(200):
        moment_ns = time.monotonic_ns() + 300_000
        timer.sleep_until(moment_ns)
        early += time.monotonic_ns() < moment_ns
print(early, turns)
"""
    )

    assert "0" == early
    assert int(turns) > 10


def test_a_moment_that_has_passed_is_no_reason_to_sleep():
    assert ["done"] == in_gevent(
        """
import time
from loadtest.engine.precise_timer import PreciseTimer
timer = PreciseTimer()
timer.sleep_until(time.monotonic_ns() - 1)
timer.close()
timer.close()
print("done")
"""
    )


def test_a_sleeper_that_is_killed_leaves_a_loop_that_rests():
    busy, sleeping = in_gevent(
        """
import gevent, time
from loadtest.engine.precise_timer import PreciseTimer
timer = PreciseTimer()
sleeper = gevent.spawn(lambda: timer.sleep_until(time.monotonic_ns() + 50_000_000))
gevent.sleep(0.01)
sleeper.kill()
gevent.sleep(0.1)
before_ns = time.process_time_ns()
gevent.sleep(0.5)
print(time.process_time_ns() - before_ns, 500_000_000)
"""
    )

    assert int(busy) < int(sleeping) / 2, "the timer's descriptor stayed readable and the loop spun"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core: there is no other to keep to")
def test_the_generator_keeps_off_the_servers_cores_with_all_of_its_threads():
    first = min(os.sched_getaffinity(0))
    (left,) = in_gevent(
        f"""
import gevent, os, psutil
from loadtest.engine.generator import avoid_cpus
pool = gevent.get_hub().threadpool
pool.apply(len, ("x",))
avoid_cpus([{first}])
print(any({first} in os.sched_getaffinity(thread.id) for thread in psutil.Process().threads()))
"""
    )

    assert "False" == left


def test_where_no_core_would_be_left_the_generator_stays():
    (same,) = in_gevent(
        """
import os
from loadtest.engine.generator import avoid_cpus
before = os.sched_getaffinity(0)
avoid_cpus(before)
print(before == os.sched_getaffinity(0))
"""
    )

    assert "True" == same


def test_importing_the_command_line_prepares_nothing_for_gevent_and_loads_no_locust():
    done = subprocess.run(
        [sys.executable, "-c", "import loadtest.cli, sys; print({'gevent', 'locust', 'plotly'} & set(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "set()" == done.stdout.strip()
