"""Clients of an in-process Triton: what they send, what they reject, and threads that share one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from slipway.client import (
    Classifier,
    InvalidImage,
)
from tests.unit.fake_triton import CONTRACT


@pytest.fixture
def dark(grpc_fake):
    """A model that was trained on light ink on dark, as MNIST."""
    grpc_fake.contract = replace(CONTRACT, background="dark")
    return grpc_fake


@pytest.fixture
def sent(grpc_fake):
    """Classify, and return the one batch that reached the server."""

    def send(images, **options):
        grpc_fake.batches.clear()
        with Classifier(grpc_fake.url, model="mnist") as classifier:
            classifier.predict(images, **options)
        (batch,) = grpc_fake.batches
        return batch[..., 0]

    return send


@pytest.fixture
def refused(grpc_fake):
    """Classify, and return what was said; nothing may reach the server."""

    def refuse(images, **options):
        with Classifier(grpc_fake.url, model="mnist") as classifier, pytest.raises(InvalidImage) as caught:
            classifier.predict(images, **options)
        assert 0 == grpc_fake.asked["infer"]
        return str(caught.value)

    return refuse


@pytest.fixture
def classifier(grpc_fake):
    with Classifier(grpc_fake.url, model="mnist", timeout_s=30) as classifier:
        yield classifier


@pytest.fixture
def threads():
    with ThreadPoolExecutor(80) as threads:
        yield threads


@pytest.fixture
def crowded(grpc_fake, threads, digits):
    """Let `calls` wait behind one request under way: returns their futures and what lets the server go on."""

    def crowd(batcher, calls):
        held = grpc_fake.hold("infer")
        first = threads.submit(batcher.predict, digits([0]))
        grpc_fake.wait_until_asked("infer")
        waiting = [threads.submit(batcher.predict, digits(values)) for values in calls]
        while len(batcher._calls) < len(calls):
            held.wait(0.001)
        return [first, *waiting], held

    return crowd
