"""Calls of many threads in shared requests."""

import grpc
import numpy as np
import pytest

from slipway.client import (
    AsyncClassifier,
    DeadlineExceeded,
    InvalidImage,
    InvalidRequest,
    MicroBatcher,
    QueueFull,
)


def test_callers_that_wait_share_one_request_and_get_their_own_rows(grpc_fake, classifier, crowded):
    with MicroBatcher(classifier, max_in_flight=1, max_delay_us=0) as batcher:
        futures, held = crowded(batcher, [[1], [2, 3], [4], [5, 6, 7]])
        held.set()
        predictions = [future.result() for future in futures]

    assert [1, 7] == [len(batch) for batch in grpc_fake.batches]
    assert {("0",), ("1",), ("2", "3"), ("4",), ("5", "6", "7")} == {p.labels for p in predictions}
    for prediction in predictions:
        np.testing.assert_array_equal(prediction.indices, prediction.probabilities.argmax(axis=1))


@pytest.mark.parametrize(("options", "largest"), [({}, 16), ({"max_batch_size": 4}, 4)])
def test_request_takes_no_more_than_the_limit(grpc_fake, classifier, crowded, options, largest):
    with MicroBatcher(classifier, max_in_flight=1, max_delay_us=0, **options) as batcher:
        futures, held = crowded(batcher, [[i % 10] for i in range(20)])
        held.set()
        labels = sorted(future.result().labels[0] for future in futures)

    assert sorted(str(i % 10) for i in [0, *range(20)]) == labels
    assert largest == max(len(batch) for batch in grpc_fake.batches)


def test_full_batch_does_not_wait_for_the_delay(grpc_fake, classifier, threads, digits):
    with MicroBatcher(classifier, max_in_flight=1, max_delay_us=1_000_000_000) as batcher:
        list(threads.map(batcher.predict, [digits([1])] * 16))

    assert [16] == [len(batch) for batch in grpc_fake.batches]


def test_sixty_four_threads_get_their_own_answers(grpc_fake, classifier, threads, digits):
    with MicroBatcher(classifier) as batcher:
        labels = list(threads.map(lambda i: batcher.predict(digits([i % 10])).labels, range(640)))

    assert [(str(i % 10),) for i in range(640)] == labels
    assert len(grpc_fake.batches) < 640


def test_call_larger_than_a_request_is_answered_in_order(classifier, grpc_fake, digits):
    with MicroBatcher(classifier, max_queue=8) as batcher:
        prediction = batcher.predict(digits(range(40)))

    assert [i % 10 for i in range(40)] == prediction.indices.tolist()
    assert [16, 16, 8] == [len(batch) for batch in grpc_fake.batches]


def test_bad_image_fails_its_own_caller_only(classifier, digits):
    with MicroBatcher(classifier) as batcher:
        with pytest.raises(InvalidImage):
            batcher.predict(np.zeros((28, 28)))

        assert ("3",) == batcher.predict(digits([3])).labels


def test_error_of_a_request_reaches_every_caller_as_its_own(grpc_fake, classifier, crowded):
    with MicroBatcher(classifier, max_in_flight=1, max_delay_us=0) as batcher:
        futures, held = crowded(batcher, [[1], [2], [3]])
        grpc_fake.fail(grpc.StatusCode.INVALID_ARGUMENT, 400, "no")
        held.set()
        errors = [future.exception() for future in futures]

    assert [InvalidRequest] * 4 == [type(error) for error in errors]
    assert 4 == len({id(error) for error in errors})
    assert {"INVALID_ARGUMENT"} == {error.status for error in errors}
    assert {1} == {len(error.attempts) for error in errors}


def test_failure_that_nobody_foresaw_reaches_every_caller(classifier, digits, monkeypatch):
    with MicroBatcher(classifier) as batcher:
        batcher.predict(digits([1]))
        monkeypatch.setattr(classifier, "predict", lambda *_, **__: 1 / 0)
        with pytest.raises(RuntimeError, match="the shared batch failed") as caught:
            batcher.predict(digits([1]))

    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_caller_gives_up_at_its_own_deadline_and_is_not_sent(grpc_fake, classifier, crowded, digits):
    with MicroBatcher(classifier, max_in_flight=1, max_delay_us=0) as batcher:
        futures, held = crowded(batcher, [[1]])
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.05 s in a shared batch"):
            batcher.predict(digits([9]), timeout_s=0.05)
        held.set()
        labels = [future.result().labels for future in futures]

    assert [("0",), ("1",)] == labels
    assert [1, 1] == [len(batch) for batch in grpc_fake.batches]


def test_full_queue_is_said_when_there_was_no_room_in_time(classifier, crowded, digits):
    with MicroBatcher(classifier, max_in_flight=1, max_delay_us=0, max_queue=3) as batcher:
        futures, held = crowded(batcher, [[1, 2], [3]])
        with pytest.raises(QueueFull, match=r"no room for 1 images within 0\.05 s, 3 of 3 in the queue"):
            batcher.predict(digits([4]), timeout_s=0.05)
        held.set()

        assert [("0",), ("1", "2"), ("3",)] == [future.result().labels for future in futures]


def test_full_queue_lets_a_caller_in_when_there_is_room(classifier, crowded, threads, digits):
    with MicroBatcher(classifier, max_in_flight=1, max_delay_us=0, max_queue=1) as batcher:
        futures, held = crowded(batcher, [[1]])
        late = threads.submit(batcher.predict, digits([4]))
        held.set()

        assert [("0",), ("1",), ("4",)] == [future.result().labels for future in [*futures, late]]


def test_callers_of_one_request_have_each_their_own_deadline(grpc_fake, classifier, crowded, threads, digits):
    with MicroBatcher(classifier, max_in_flight=1, max_delay_us=0) as batcher:
        futures, held = crowded(batcher, [[1], [2]])
        patient = threads.submit(batcher.predict, digits([3]), timeout_s=60)
        hasty = threads.submit(batcher.predict, digits([4]), timeout_s=15)
        while len(batcher._calls) < 4:
            held.wait(0.001)
        held.set()
        labels = [future.result().labels for future in [*futures, patient, hasty]]

    assert [("0",), ("1",), ("2",), ("3",), ("4",)] == labels
    assert [1, 4] == [len(batch) for batch in grpc_fake.batches]
    assert 30e6 < grpc_fake.timeouts_us[1] <= 60e6, "the request has the time of its most patient caller"


def test_the_hasty_caller_of_a_request_under_way_leaves_and_the_patient_one_is_answered(
    grpc_fake, classifier, threads, digits
):
    with MicroBatcher(classifier, max_in_flight=1, max_batch_size=2, max_delay_us=60_000_000) as batcher:
        classifier.contract()
        held = grpc_fake.hold("infer")
        patient = threads.submit(batcher.predict, digits([3]))
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.5 s in a shared batch"):
            batcher.predict(digits([4]), timeout_s=0.5)
        held.set()

        assert ("3",) == patient.result().labels
    assert [2] == [len(batch) for batch in grpc_fake.batches]


def test_a_caller_that_is_interrupted_is_not_sent(grpc_fake, classifier, crowded, digits, monkeypatch):
    def interrupted(call):
        call.left = True
        raise KeyboardInterrupt

    with MicroBatcher(classifier, max_in_flight=1, max_delay_us=0) as batcher:
        futures, held = crowded(batcher, [[1]])
        with monkeypatch.context() as patched:
            patched.setattr("slipway.client._batch.BatchedCall.wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                batcher.predict(digits([9]))
        held.set()

        assert [("0",), ("1",)] == [future.result().labels for future in futures]
    assert [1, 1] == [len(batch) for batch in grpc_fake.batches]


def test_an_asyncio_client_is_refused_with_the_way_out():
    with pytest.raises(TypeError, match="expected a Classifier, got AsyncClassifier; in asyncio, give several images"):
        MicroBatcher(AsyncClassifier("grpc://localhost:8001", model="mnist"))
    with pytest.raises(TypeError, match=r"expected a Classifier, got str$"):
        MicroBatcher("grpc://localhost:8001")


@pytest.mark.parametrize("option", ["max_batch_size", "max_queue", "max_in_flight"])
def test_option_out_of_range_is_refused(classifier, option):
    with pytest.raises(ValueError, match=f"{option}.*got.*0"):
        MicroBatcher(classifier, **{option: 0})


@pytest.mark.parametrize("delay_us", [-1, 3_600_000_001, float("nan"), float("inf")])
def test_delay_that_no_clock_can_wait_for_is_refused(classifier, delay_us):
    with pytest.raises(ValueError, match="max_delay_us from 0 to an hour"):
        MicroBatcher(classifier, max_delay_us=delay_us)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), "soon"])
def test_time_that_no_call_can_have_is_refused_before_it_is_queued(grpc_fake, classifier, digits, timeout_s):
    with MicroBatcher(classifier) as batcher, pytest.raises((ValueError, TypeError), match="timeout_s"):
        batcher.predict(digits([1]), timeout_s=timeout_s)

    assert 0 == grpc_fake.asked["infer"]


@pytest.mark.parametrize("timeout_s", [-1, float("nan")])
def test_time_that_closing_cannot_have_is_refused(classifier, timeout_s):
    with MicroBatcher(classifier) as batcher, pytest.raises(ValueError, match="timeout_s: expected seconds from 0"):
        batcher.close(timeout_s=timeout_s)


def test_a_call_without_limit_is_answered_and_does_not_keep_closing(classifier, digits):
    with MicroBatcher(classifier) as batcher:
        assert ("4",) == batcher.predict(digits([4]), timeout_s=float("inf")).labels
