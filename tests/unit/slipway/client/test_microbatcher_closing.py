"""The end of a batcher: who waits is answered, and closing waits no longer than it is told."""

import subprocess
import sys
import threading

import pytest

from slipway.client import (
    ClientClosed,
    DeadlineExceeded,
    MicroBatcher,
)


def test_closing_answers_who_waits_and_refuses_who_comes(classifier, crowded, threads, digits):
    batcher = MicroBatcher(classifier, max_in_flight=1, max_delay_us=0)
    futures, held = crowded(batcher, [[1], [2]])
    closing = threads.submit(batcher.close)
    while not batcher._closed:
        held.wait(0.001)
    with pytest.raises(ClientClosed, match="this MicroBatcher was closed"):
        batcher.predict(digits([3]))
    held.set()
    closing.result()
    batcher.close()

    assert [("0",), ("1",), ("2",)] == [future.result().labels for future in futures]
    assert ("5",) == classifier.predict(digits([5])).labels


def test_batcher_of_the_parent_process_is_refused_in_a_child(classifier, digits, monkeypatch):
    with MicroBatcher(classifier) as batcher:
        monkeypatch.setattr(batcher, "_pid", 1)
        with pytest.raises(ClientClosed, match="make a new one after a fork"):
            batcher.predict(digits([1]))
        monkeypatch.undo()


FORKED = """
import os, sys
import numpy as np
from slipway.client import Classifier, ClientClosed, MicroBatcher

image = np.zeros((28, 28), np.uint8)
with Classifier(sys.argv[1], model="mnist") as classifier, MicroBatcher(classifier) as batcher:
    batcher.predict(image)
    child = os.fork()
    if child == 0:
        try:
            batcher.predict(image)
        except ClientClosed as exc:
            batcher.close()
            os._exit(7 if "make a new one after a fork" in str(exc) else 1)
        os._exit(2)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), batcher.predict(image).labels)
"""


@pytest.mark.timeout(120)
def test_a_forked_child_is_refused_and_ends_and_the_parent_goes_on(unserved, open_http):
    done = subprocess.run(
        [sys.executable, "-c", FORKED, open_http(unserved)], capture_output=True, text=True, timeout=60, check=False
    )

    assert "7 ('0',)\n" == done.stdout, done.stderr


@pytest.mark.timeout(60)
def test_closing_waits_no_longer_than_it_is_told_and_ends_every_call(classifier, crowded):
    batcher = MicroBatcher(classifier, max_in_flight=1, max_delay_us=0)
    futures, _ = crowded(batcher, [[1], [2]])  # the server answers nothing more
    batcher.close(timeout_s=0.05)
    errors = [future.exception(timeout=20) for future in futures]

    assert [ClientClosed] * 3 == [type(error) for error in errors]
    message = "this MicroBatcher was closed before the call was answered; close it later"
    assert {message} == {str(error) for error in errors}


@pytest.mark.timeout(60)
def test_closing_waits_no_longer_than_the_last_deadline_though_the_request_outlives_it(
    classifier, digits, threads, monkeypatch
):
    asked, never = threading.Event(), threading.Event()

    def stuck(*_, **__):
        asked.set()
        never.wait()

    classifier.contract()
    batcher = MicroBatcher(classifier, max_in_flight=1)
    monkeypatch.setattr(classifier, "predict", stuck)
    future = threads.submit(batcher.predict, digits([1]), timeout_s=0.3)
    asked.wait()
    batcher.close()
    never.set()

    assert isinstance(future.exception(timeout=20), DeadlineExceeded)


@pytest.mark.timeout(60)
def test_closing_waits_for_the_most_patient_caller_of_a_request_under_way(
    grpc_fake, classifier, digits, threads, monkeypatch
):
    monkeypatch.setattr("slipway.client._microbatcher._GRACE_S", 0)
    batcher = MicroBatcher(classifier, max_in_flight=1, max_batch_size=2, max_delay_us=60_000_000)
    classifier.contract()
    held = grpc_fake.hold("infer")
    patient = threads.submit(batcher.predict, digits([3]), timeout_s=50)
    hasty = threads.submit(batcher.predict, digits([4]), timeout_s=0.5)
    grpc_fake.wait_until_asked("infer")
    closing = threads.submit(batcher.close)

    assert isinstance(hasty.exception(timeout=20), DeadlineExceeded)
    with pytest.raises(TimeoutError):
        closing.result(timeout=0.3)
    held.set()
    assert ("3",) == patient.result(timeout=20).labels
    closing.result(timeout=20)


@pytest.mark.timeout(60)
def test_a_thread_that_fails_ends_every_call_and_refuses_new_ones(classifier, crowded, digits, monkeypatch):
    batcher = MicroBatcher(classifier, max_in_flight=1, max_delay_us=0)
    futures, held = crowded(batcher, [[1], [2]])
    monkeypatch.setattr(batcher, "_next_batch", lambda: 1 / 0)
    held.set()
    first, *waiting = futures

    assert ("0",) == first.result(timeout=20).labels
    for future in waiting:
        assert isinstance(future.exception(timeout=20).__cause__, ZeroDivisionError)
    with pytest.raises(ClientClosed) as refused:
        batcher.predict(digits([1]))
    assert isinstance(refused.value.__cause__, ZeroDivisionError)
    batcher.close()
