"""`wait_ready` returns, or says why it waited in vain."""

import threading

import grpc
import pytest

from slipway.client import (
    Classifier,
    DeadlineExceeded,
    ModelLoadFailed,
    ModelNotFound,
    ModelNotReady,
    ServerUnavailable,
)

Code = grpc.StatusCode
LOADING = [{"name": "mnist", "version": "1", "state": "LOADING"}]


def test_ready_model_is_asked_once(fake):
    with Classifier(fake.url, model="mnist") as classifier:
        classifier.wait_ready()

    assert {"ready": 1} == fake.asked


def test_model_that_becomes_ready_ends_the_wait(fake):
    fake.ready, fake.states = False, LOADING

    def load():
        fake.ready = True

    timer = threading.Timer(0.3, load)
    timer.start()
    with Classifier(fake.url, model="mnist") as classifier:
        classifier.wait_ready(timeout_s=30)
    timer.join()

    assert 2 <= fake.asked["ready"]


def test_model_that_stays_loading_is_said_after_the_wait(fake):
    fake.ready, fake.states = False, LOADING
    with (
        Classifier(fake.url, model="mnist") as classifier,
        pytest.raises(ModelNotReady, match=r"is loading the model \(waited 0\.\d s\)"),
    ):
        classifier.wait_ready(timeout_s=0.3)


@pytest.mark.parametrize(("question", "pause_s"), [("ready", 1.95), ("index", 1.85)])
def test_question_that_the_deadline_cuts_short_does_not_hide_the_reason(fake, monkeypatch, question, pause_s):
    """The last poll has 50 ms, or the last list what is left of 150 ms, and gets no answer."""
    monkeypatch.setattr("slipway.client._readiness._POLL_PAUSE_S", pause_s)
    fake.ready, fake.states = False, LOADING
    listed = fake.index

    def list_once():
        states = listed()
        fake.hold(question)
        return states

    fake.index = list_once
    with (
        Classifier(fake.url, model="mnist") as classifier,
        pytest.raises(ModelNotReady, match="is loading the model"),
    ):
        classifier.wait_ready(timeout_s=2)


def test_server_that_shows_no_list_is_asked_for_itself(fake, monkeypatch):
    monkeypatch.setattr("slipway.client._readiness._POLL_PAUSE_S", 30)  # the first poll is the last
    fake.ready, fake.server_ready = False, False
    fake.listing_fault = (Code.UNAVAILABLE, 403, "This protocol is restricted, expecting header 'x'")
    with (
        Classifier(fake.url, model="mnist") as classifier,
        pytest.raises(ModelNotReady, match="the server is running and not ready yet"),
    ):
        classifier.wait_ready(timeout_s=20)


def test_a_refused_connection_is_said_after_the_wait(silent_url):
    with (
        Classifier(silent_url, model="mnist") as classifier,
        pytest.raises(ServerUnavailable, match=r"Connection refused; is the server running\? .*waited"),
    ):
        classifier.wait_ready(timeout_s=0.3)


def test_server_that_never_answers_ends_the_wait_at_the_deadline(fake):
    held = fake.hold("ready")
    with Classifier(fake.url, model="mnist") as classifier, pytest.raises(DeadlineExceeded):
        classifier.wait_ready(timeout_s=0.3)

    assert not held.is_set()


def test_poll_without_an_answer_is_followed_by_another(fake, monkeypatch):
    monkeypatch.setattr("slipway.client._readiness._POLL_TIMEOUT_S", 0.1)
    held = fake.hold("ready")
    timer = threading.Timer(0.3, held.set)
    timer.start()
    with Classifier(fake.url, model="mnist") as classifier:
        classifier.wait_ready(timeout_s=30)
    timer.join()

    assert 2 <= fake.asked["ready"]


def test_wrong_name_is_said_at_once(fake):
    fake.ready, fake.states = False, [{"name": "cifar"}]
    with Classifier(fake.url, model="mnist") as classifier, pytest.raises(ModelNotFound, match="it has: cifar"):
        classifier.wait_ready(timeout_s=60)

    assert 1 == fake.asked["ready"]


def test_model_that_could_not_be_loaded_is_said_at_once_with_the_reason(fake):
    fake.ready = False
    fake.states = [{"name": "mnist", "version": "2", "state": "UNAVAILABLE", "reason": "Internal: no such file"}]
    with (
        Classifier(fake.url, model="mnist") as classifier,
        pytest.raises(ModelLoadFailed, match="could not load version 2: Internal: no such file"),
    ):
        classifier.wait_ready(timeout_s=60)

    assert 1 == fake.asked["ready"]


def test_wrong_name_is_said_at_once_by_a_server_that_shows_no_list(fake):
    fake.ready = False
    fake.listing_fault = (Code.UNAVAILABLE, 403, "This protocol is restricted, expecting header 'x'")
    fake.metadata_fault = (Code.NOT_FOUND, 404, "Request for unknown model: 'mnist' is not found")
    with Classifier(fake.url, model="mnist") as classifier, pytest.raises(ModelNotFound, match="is not found"):
        classifier.wait_ready(timeout_s=60)

    assert 1 == fake.asked["ready"]


def test_poll_costs_one_request(fake, monkeypatch):
    """The reason is asked at the first poll and at the eleventh."""
    monkeypatch.setattr("slipway.client._readiness._POLL_PAUSE_S", 0.05)
    fake.ready, fake.states = False, LOADING
    poll = fake.is_ready
    fake.is_ready = lambda: poll() or fake.asked["ready"] == 20
    with Classifier(fake.url, model="mnist") as classifier:
        classifier.wait_ready(timeout_s=60)

    assert {"ready": 20, "index": 2} == fake.asked
