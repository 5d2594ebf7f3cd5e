"""A load test that is told to end before it has begun has nothing to conclude."""

import os
import signal
import threading
from pathlib import Path

import pytest

from loadtest.engine.locust_process import LocustProcess
from loadtest.engine.request import RunRequest
from loadtest.scenario.scenario_file import load_scenario


def test_a_word_to_end_while_the_generator_loads_is_an_interrupt_and_no_failure():
    request = RunRequest(
        name="smoke",
        scenario=load_scenario("smoke"),
        repository=Path("model_repository"),
        report_dir=None,
        junit=None,
        command="slipway loadtest smoke",
    )
    told = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))  # its imports take ten times as long
    with LocustProcess(request) as locust:
        told.start()
        with pytest.raises(KeyboardInterrupt):
            list(locust.messages())
    told.join()
