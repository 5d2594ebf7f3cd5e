"""What `predict` returns and how it travels, over both protocols."""

import dataclasses

import numpy as np
import pytest

from slipway.client import Classifier, ServerError, UnsupportedModel
from slipway.contract import ModelContract


def test_prediction_names_the_most_probable_class(fake, digits):
    with Classifier(fake.url, model="mnist") as classifier:
        prediction = classifier.predict(digits([3, 7, 0]))

    assert ("3", "7", "0") == prediction.labels
    assert [3, 7, 0] == prediction.indices.tolist()
    assert (np.int64, np.float32) == (prediction.indices.dtype, prediction.probabilities.dtype)
    np.testing.assert_array_equal(np.eye(10)[[3, 7, 0]], prediction.probabilities)
    assert ("mnist", "1") == (prediction.model_name, prediction.model_version)
    assert tuple("0123456789") == prediction.class_names
    assert 3 == len(prediction)


def test_prediction_cannot_be_changed(fake, digits):
    with Classifier(fake.url, model="mnist") as classifier:
        predictions = [classifier.predict(digits([1] * count)) for count in (1, 17)]

    for prediction in predictions:
        with pytest.raises(dataclasses.FrozenInstanceError):
            prediction.labels = ()
        for array in (prediction.probabilities, prediction.indices):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1


def test_ten_thousand_images_are_split_and_come_back_in_order(fake, digits):
    values = np.random.default_rng(0).integers(0, 10, 10_000)
    with Classifier(fake.url, model="mnist", timeout_s=60) as classifier:
        prediction = classifier.predict(digits(values))

    np.testing.assert_array_equal(values, prediction.indices)
    assert [16] * 625 == [len(batch) for batch in fake.batches]


@pytest.mark.parametrize(("count", "batches"), [(1, [1]), (16, [16]), (17, [16, 1])])
def test_batch_is_split_at_the_limit_of_the_model(fake, digits, count, batches):
    with Classifier(fake.url, model="mnist") as classifier:
        prediction = classifier.predict(digits(range(count)))

    assert [i % 10 for i in range(count)] == prediction.indices.tolist()
    assert batches == [len(batch) for batch in fake.batches]


def test_contract_is_learned_once(fake, digits):
    with Classifier(fake.url, model="mnist") as classifier:
        for _ in range(3):
            classifier.predict(digits([1]))

        assert fake.contract == classifier.contract()
    assert {"config": 1, "infer": 3} == fake.asked


def test_new_version_with_other_labels_is_read_with_its_own(fake, digits):
    with Classifier(fake.url, model="mnist") as classifier:
        before = classifier.predict(digits([1]))
        fake.version = "2"
        fake.contract = dataclasses.replace(fake.contract, labels=tuple("abcdefghijklm"))
        after = classifier.predict(digits([1, 12]))
        classifier.predict(digits([1]))

    assert (("1",), "1") == (before.labels, before.model_version)
    assert (("b", "m"), "2") == (after.labels, after.model_version)
    assert 2 == fake.asked["config"]


def test_model_with_other_labels_in_the_middle_of_a_call_is_an_error(fake, digits):
    def replace_model(probabilities):
        if fake.asked["infer"] == 1:
            fake.version = "1"
        else:
            fake.version, fake.contract = "2", dataclasses.replace(fake.contract, labels=tuple("abcdefghij"))
        return probabilities

    fake.mangle = replace_model
    with (
        Classifier(fake.url, model="mnist") as classifier,
        pytest.raises(ServerError, match="replaced during the call"),
    ):
        classifier.predict(digits(range(17)))


@pytest.mark.parametrize(
    ("mangle", "message"),
    [
        (lambda p: p[:, :9], "expected 10 probabilities per image, got 9"),
        (lambda p: p[:1], r"expected probabilities FP32 \[2, labels\] and all its bytes, got \[1, 10\] in 40 bytes"),
        (lambda p: p.ravel(), r"got \[20\] in 80 bytes"),
        (lambda p: p.astype(np.float16), r"got \[2, 10\] in 40 bytes"),
    ],
    ids=["fewer-classes", "fewer-rows", "no-rows", "half-the-bytes"],
)
def test_answer_that_breaks_the_contract_is_an_error_and_no_prediction(fake, digits, mangle, message):
    fake.mangle = mangle
    with Classifier(fake.url, model="mnist") as classifier, pytest.raises(ServerError, match=message):
        classifier.predict(digits([1, 2]))

    assert 1 == fake.asked["infer"]


def test_answer_without_probabilities_is_an_error(fake, digits):
    fake.output = "scores"
    with (
        Classifier(fake.url, model="mnist") as classifier,
        pytest.raises(ServerError, match=r"expected an output probabilities FP32.*, got \['scores FP32'\]"),
    ):
        classifier.predict(digits([1]))


def test_web_site_is_no_server_of_models(unserved, open_http, digits):
    unserved.page = b"<html>Welcome</html>"
    with (
        Classifier(open_http(unserved), model="mnist") as classifier,
        pytest.raises(ServerError, match="V2 protocol response, got HTTP status 200, text/html: <html>Welcome</html>"),
    ):
        classifier.predict(digits([1]))


def test_model_that_is_no_image_classifier_is_refused_by_name(fake, digits):
    config = fake.config()
    config.input[0].data_type = 11  # TYPE_FP32
    fake.config = lambda: config
    with (
        Classifier(fake.url, model="mnist") as classifier,
        pytest.raises(UnsupportedModel, match=r"expected input image UINT8 .*, got image FP32 \[28, 28, 1\]"),
    ):
        classifier.predict(digits([1]))


def test_server_is_told_how_much_time_is_left(fake, digits):
    with Classifier(fake.url, model="mnist", timeout_s=7) as classifier:
        classifier.predict(digits([1]))
        classifier.predict(digits([1]), timeout_s=2)

    first, second = fake.timeouts_us
    assert 2_000_000 < first < 7_000_000
    assert 0 < second < 2_000_000


def test_model_of_any_image_shape_and_size_is_served(fake):
    fake.contract = ModelContract(name="mnist", image_shape=(5, 7, 3), labels=("cat", "dog"), max_batch_size=1)
    images = np.zeros((3, 5, 7, 3), np.uint8)
    images[1, 0, 0, 0] = 1
    with Classifier(fake.url, model="mnist") as classifier:
        assert ("cat", "dog", "cat") == classifier.predict(images).labels
