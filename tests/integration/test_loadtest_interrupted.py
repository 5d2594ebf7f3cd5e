"""A load test that is told to end before it has begun has nothing to conclude."""

import os
import signal
import threading

import pytest

from loadtest.engine.locust_process import LOCUSTFILE, LocustProcess


def test_a_word_to_end_while_the_generator_loads_is_an_interrupt_and_no_failure():
    words = ("-f", str(LOCUSTFILE), "--headless", "--scenario", "smoke")
    told = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))  # its imports take ten times as long
    with LocustProcess(words) as locust:
        told.start()
        with pytest.raises(KeyboardInterrupt):
            list(locust.messages())
    told.join()
