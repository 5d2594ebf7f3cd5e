"""A server that is replaced by one with the same name, version and shapes: whose labels an answer is read with."""

import dataclasses
import threading
from concurrent import futures
from urllib.parse import urlsplit

import grpc
import numpy as np
import pytest

from slipway.client import Classifier, ClientError, InvalidImage, RetryPolicy
from tests.unit.client_variants import VARIANTS, call, using
from tests.unit.fake_triton import FakeTriton, grpc_handler
from tests.unit.relay import Relay

PATIENT = RetryPolicy(max_attempts=20, base_backoff_s=0.05, max_backoff_s=0.1, budget_burst=1000)
LETTERS = tuple("abcdefghij")


@pytest.fixture(params=["grpc", "http"])
def protocol(request):
    return request.param


@pytest.fixture
def opened(protocol, request):
    """Serve a FakeTriton: `opened(fake)` returns its port."""
    start = request.getfixturevalue(f"open_{protocol}")
    return lambda fake: urlsplit(start(fake)).port


@pytest.fixture
def letters():
    """As FakeTriton, and its network knows the classes in another order: pixel 1 is "i"."""
    fake = FakeTriton()
    fake.contract = dataclasses.replace(fake.contract, labels=LETTERS)
    fake.mangle = lambda probabilities: np.ascontiguousarray(probabilities[:, ::-1])
    yield fake
    fake.release()


class Swap:
    """A relay in front of a FakeTriton, which another one replaces."""

    def __init__(self, protocol, opened, first, second):
        self._ports = [opened(first), opened(second)]
        self._relay = Relay(self._ports[0])
        self.first, self.second = first, second
        self.url = f"{protocol}://127.0.0.1:{self._relay.port}"
        self.close = self._relay.close

    def to(self, turn):
        """Go on with the first (0) or the second (1)."""
        self._relay.switch(self._ports[turn])


@pytest.fixture
def swap(protocol, opened, unserved, letters):
    swap = Swap(protocol, opened, unserved, letters)
    yield swap
    swap.close()


@pytest.mark.parametrize("variant", VARIANTS)
def test_answer_is_read_with_the_labels_of_who_gave_it(swap, digits, variant):
    def use(ask):
        before = ask("predict", digits([1])).labels
        swap.to(1)
        return before, ask("predict", digits([1])).labels, ask("contract").labels

    before, after, contract = using(variant, swap.url, use, retry=PATIENT, timeout_s=20)

    assert (("1",), ("i",)) == (before, after)
    assert LETTERS == contract
    assert 2 >= swap.second.asked["config"]


def test_server_that_starts_again_on_its_port_is_another_server(unserved, letters, digits):
    def serve(fake, port):
        server = grpc.server(futures.ThreadPoolExecutor(8))
        server.add_generic_rpc_handlers((grpc_handler(fake),))
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        return server, port

    first, port = serve(unserved, 0)
    with Classifier(f"grpc://127.0.0.1:{port}", model="mnist", retry=PATIENT, timeout_s=20) as classifier:
        before = classifier.predict(digits([1])).labels
        first.stop(grace=None).wait()
        second, _ = serve(letters, port)
        after = classifier.predict(digits([1])).labels
    second.stop(grace=None).wait()

    assert (("1",), ("i",)) == (before, after)


@pytest.mark.parametrize("variant", VARIANTS)
def test_images_are_checked_again_for_another_server(swap, digits, variant):
    swap.second.contract = dataclasses.replace(swap.second.contract, image_shape=(14, 14, 1))

    def use(ask):
        ask("predict", digits([1]))
        swap.to(1)
        return ask("predict", digits([1]))

    with pytest.raises(InvalidImage, match=r"expected uint8 \(14, 14, 1\)"):
        using(variant, swap.url, use, retry=PATIENT, timeout_s=20)


@pytest.mark.parametrize("variant", VARIANTS)
def test_more_classes_of_another_server_are_read_with_its_labels(swap, digits, variant):
    swap.second.contract = dataclasses.replace(swap.second.contract, labels=(*LETTERS, "k"))

    def use(ask):
        ask("predict", digits([1]))
        swap.to(1)
        return ask("predict", digits([0])).labels

    assert ("k",) == using(variant, swap.url, use, retry=PATIENT, timeout_s=20)


def test_no_answer_is_ever_read_with_the_labels_of_another_server(swap, digits):
    right = {value: {str(value), LETTERS[9 - value]} for value in range(10)}
    wrong, answered, stop = [], [], threading.Event()

    def keep_asking(classifier):
        value = 0
        while not stop.is_set():
            value = (value + 1) % 10
            try:
                (label,) = classifier.predict(digits([value])).labels
            except ClientError:
                continue
            answered.append(label)
            if label not in right[value]:
                wrong.append((value, label))

    with (
        Classifier(swap.url, model="mnist", retry=PATIENT, timeout_s=20) as classifier,
        futures.ThreadPoolExecutor(6) as threads,
    ):
        calls = [threads.submit(keep_asking, classifier) for _ in range(6)]
        for turn in range(12):
            seen = len(answered)
            while len(answered) < seen + 20 and not any(call.done() for call in calls):
                stop.wait(0.01)
            swap.to((turn + 1) % 2)
        stop.set()
        for under_way in calls:
            under_way.result(timeout=60)

    assert [] == wrong
    assert set(answered) & set(LETTERS)
    assert set(answered) & set("0123456789")


@pytest.mark.parametrize("variant", VARIANTS)
def test_contract_is_read_again_after_its_time(fake, digits, variant):
    def use(ask):
        before = ask("predict", digits([1])).labels
        fake.contract = dataclasses.replace(fake.contract, labels=LETTERS)  # over the same connection
        threading.Event().wait(0.3)
        return before, ask("predict", digits([1])).labels

    assert (("1",), ("b",)) == using(variant, fake.url, use, max_contract_age_s=0.2)


@pytest.mark.parametrize("variant", VARIANTS)
def test_contract_of_one_connection_is_read_once(fake, digits, variant):
    def use(ask):
        for _ in range(5):
            ask("predict", digits([1]))

    using(variant, fake.url, use, max_contract_age_s=None)

    assert {"config": 1, "infer": 5} == fake.asked


BROKEN = {
    "nan": lambda p: p * np.float32("nan"),
    "infinite": lambda p: p + np.float32("inf"),
    "negative": lambda p: np.concatenate([p[:, :-1] + 0.25, p[:, -1:] - 2.25], axis=1).astype(np.float32),
    "half": lambda p: p / 2,
    "logits": lambda p: p * 7 - 3,
    "one-row": lambda p: np.concatenate([p[:-1], p[-1:] * np.float32(1.002)]),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("count", [2, 40])
@pytest.mark.parametrize("mangle", BROKEN.values(), ids=BROKEN)
def test_numbers_that_are_no_probabilities_are_an_error_and_no_prediction(fake, digits, mangle, count, variant):
    fake.contract = dataclasses.replace(fake.contract, max_batch_size=64)
    fake.mangle = mangle
    with pytest.raises(ClientError, match="expected probabilities that add up to 1, got"):
        call(variant, fake.url, "predict", digits([1, 2] * (count // 2)))
