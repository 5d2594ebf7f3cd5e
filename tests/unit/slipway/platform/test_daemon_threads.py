"""Actions that may never end keep nothing waiting: neither who asked, nor the end of the process."""

import subprocess
import sys
import threading

import pytest

from slipway.platform.daemon_threads import bounded, in_daemon_thread


def test_the_result_and_the_error_of_the_action_are_its_own():
    def fail():
        raise LookupError("not there")

    assert 4 == bounded(lambda: 2 + 2, limit_s=60, name="sum")
    with pytest.raises(LookupError, match="not there"):
        bounded(fail, limit_s=60, name="failing")


def test_a_time_out_of_the_action_is_told_apart_from_the_limit():
    def fail():
        raise TimeoutError("the socket's")

    with pytest.raises(TimeoutError, match="the socket's"):
        bounded(fail, limit_s=60, name="failing")


def test_what_takes_longer_is_not_waited_for():
    hanging = threading.Event()

    with pytest.raises(TimeoutError, match="no answer within 0 s"):
        bounded(hanging.wait, limit_s=0.1, name="hanging")
    hanging.set()


def test_the_thread_has_its_name_and_its_future_cannot_be_cancelled():
    held = threading.Event()

    def name():
        held.wait()
        return threading.current_thread().name

    future = in_daemon_thread(name, name="resolver")

    assert not future.cancel()
    held.set()
    assert "resolver" == future.result(timeout=60)


def test_a_process_ends_while_an_action_hangs():
    program = (
        "import threading; from slipway.platform.daemon_threads import in_daemon_thread; "
        "in_daemon_thread(threading.Event().wait, name='hanging')"
    )

    ended = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)

    assert 0 == ended.returncode
