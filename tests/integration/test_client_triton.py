"""The client against a real tritonserver, over both protocols."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from slipway.client import AsyncClassifier, Classifier, MicroBatcher

pytestmark = pytest.mark.triton


@pytest.fixture(params=["grpc", "http"])
def url(request, triton_server):
    return getattr(triton_server, f"{request.param}_url")


@pytest.fixture
def classifier(url):
    with Classifier(url, model="mnist", timeout_s=30) as classifier:
        yield classifier


def test_contract_travels_from_the_publisher_to_the_client(classifier):
    contract = classifier.contract()

    assert ("mnist", (28, 28, 1), 16) == (contract.name, contract.image_shape, contract.max_batch_size)
    assert tuple("0123456789") == contract.labels


@pytest.mark.parametrize("count", [1, 16, 100])
def test_client_answers_what_onnxruntime_answers(classifier, in_process, random_images, count):
    images = random_images(count)
    expected = in_process(images)
    prediction = classifier.predict(images)

    np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-6)
    np.testing.assert_array_equal(prediction.indices, expected.argmax(axis=1))
    assert tuple(str(i) for i in expected.argmax(axis=1)) == prediction.labels
    assert "1" == prediction.model_version


def test_asyncio_client_answers_what_onnxruntime_answers(url, in_process, random_images):
    images = random_images(20)

    async def main():
        async with AsyncClassifier(url, model="mnist", timeout_s=30) as classifier:
            await classifier.wait_ready()
            return await asyncio.gather(*(classifier.predict(image) for image in images))

    probabilities = np.concatenate([prediction.probabilities for prediction in asyncio.run(main())])

    np.testing.assert_allclose(probabilities, in_process(images), atol=1e-6)


def test_shared_batches_mix_no_rows_up(classifier, in_process, random_images):
    images = random_images(200)
    with MicroBatcher(classifier) as batcher, ThreadPoolExecutor(32) as threads:
        probabilities = np.concatenate([p.probabilities for p in threads.map(batcher.predict, images)])

    np.testing.assert_allclose(probabilities, in_process(images), atol=1e-6)


def test_pinned_version_answers(url, random_images):
    with Classifier(url, model="mnist", version=1) as classifier:
        classifier.wait_ready()

        assert "1" == classifier.predict(random_images(1)).model_version
