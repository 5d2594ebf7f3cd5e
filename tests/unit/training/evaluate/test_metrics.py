from __future__ import annotations

import json
import math

import numpy as np
import pytest
from pydantic import TypeAdapter
from sklearn.calibration import calibration_curve

from training.errors import FitError
from training.evaluate.metrics import CALIBRATION_BINS, ClassScores, Evaluation, MacroScores, evaluate

# Six images, three classes. Answers: cat, cat, dog, dog, cat, owl; the truth: cat, cat, cat, dog, dog, owl.
LABELS = np.array([0, 0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [
        [0.80, 0.15, 0.05],
        [0.50, 0.30, 0.20],
        [0.25, 0.70, 0.05],
        [0.10, 0.80, 0.10],
        [0.60, 0.40, 0.00],
        [0.00, 0.00, 1.00],
    ],
    np.float32,
)
NAMES = ("cat", "dog", "owl")


def random_answers(images=2_000, classes=10, seed=3):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.3), size=images).astype(np.float32)
    return probabilities, rng.integers(0, classes, images)


@pytest.fixture(scope="module")
def evaluation():
    return evaluate(PROBABILITIES, LABELS, NAMES)


def test_accuracy_and_confusion_are_counted_by_hand(evaluation):
    assert 6 == evaluation.images
    assert pytest.approx(4 / 6) == evaluation.accuracy
    assert ((2, 1, 0), (1, 1, 0), (0, 0, 1)) == evaluation.confusion
    assert 2 == evaluation.mistakes


def test_each_class_is_scored_by_hand(evaluation):
    two_thirds = pytest.approx(2 / 3)

    assert evaluation.per_class == (
        ClassScores(label="cat", precision=two_thirds, recall=two_thirds, f1=two_thirds, support=3),
        ClassScores(label="dog", precision=0.5, recall=0.5, f1=0.5, support=2),
        ClassScores(label="owl", precision=1.0, recall=1.0, f1=1.0, support=1),
    )


def test_macro_scores_count_each_class_the_same(evaluation):
    mean = pytest.approx((2 / 3 + 0.5 + 1) / 3)

    assert MacroScores(precision=mean, recall=mean, f1=mean) == evaluation.macro


def test_negative_log_likelihood_is_in_nats_of_the_true_class(evaluation):
    expected = -sum(math.log(p) for p in (0.8, 0.5, 0.25, 0.8, 0.4, 1.0)) / 6

    assert pytest.approx(expected, rel=1e-6) == evaluation.negative_log_likelihood


def test_brier_sums_squared_errors_over_classes(evaluation):
    squares = (
        0.2**2 + 0.15**2 + 0.05**2,
        0.5**2 + 0.3**2 + 0.2**2,
        0.75**2 + 0.7**2 + 0.05**2,
        0.1**2 + 0.2**2 + 0.1**2,
        0.6**2 + 0.6**2,
        0.0,
    )

    assert pytest.approx(sum(squares) / 6, rel=1e-6) == evaluation.brier


def test_brier_of_two_classes_is_not_halved():
    sure_and_wrong = evaluate(np.array([[1, 0], [0, 1]], np.float32), np.array([1, 0]), ("no", "yes"))

    assert 2.0 == sure_and_wrong.brier


def test_calibration_error_weighs_the_gap_of_each_bin_by_its_images(evaluation):
    # 0.8 twice, 0.5 and 1.0 are right, 0.7 and 0.6 are wrong: right and wrong share no bin.
    gaps = (2 * abs(1 - 0.8), abs(1 - 0.5), abs(0 - 0.7), abs(0 - 0.6), abs(1 - 1.0))

    assert pytest.approx(sum(gaps) / 6, rel=1e-6) == evaluation.expected_calibration_error


def test_an_upper_edge_belongs_to_its_bin():
    exactly_12_of_15_and_1 = np.array([[0.8, 0.2], [1.0, 0.0]])  # double precision: single rounds 0.8 up

    images = [one.images for one in evaluate(exactly_12_of_15_and_1, np.array([0, 0]), ("a", "b")).reliability]

    assert [0] * 11 + [1, 0, 0, 1] == images


def test_reliability_bins_are_those_of_scikit_learn():
    probabilities, labels = random_answers()
    correct = probabilities.argmax(axis=1) == labels
    confidence = probabilities.max(axis=1).astype(np.float64)

    accuracies, confidences = calibration_curve(correct, confidence, n_bins=CALIBRATION_BINS)
    filled = [one for one in evaluate(probabilities, labels, tuple("0123456789")).reliability if one.images]

    np.testing.assert_allclose([one.accuracy for one in filled], accuracies)
    np.testing.assert_allclose([one.confidence for one in filled], confidences, rtol=1e-5)


def test_an_empty_bin_has_no_figures(evaluation):
    empty = evaluation.reliability[0]

    assert (0, None, None) == (empty.images, empty.confidence, empty.accuracy)


def test_a_class_without_images_scores_zero_and_keeps_its_place():
    evaluation = evaluate(np.array([[0.9, 0.1, 0.0]], np.float32), np.array([0]), NAMES)

    assert NAMES == evaluation.class_names
    assert (0.0, 0) == (evaluation.per_class[2].f1, evaluation.per_class[2].support)
    assert ((1, 0, 0), (0, 0, 0), (0, 0, 0)) == evaluation.confusion


def test_an_evaluation_survives_json(evaluation):
    text = json.dumps(evaluation.to_dict(), allow_nan=False)

    assert evaluation == TypeAdapter(Evaluation).validate_python(json.loads(text))


def test_single_precision_softmax_is_a_distribution():
    logits = np.random.default_rng(0).normal(0, 30, (500, 10)).astype(np.float32)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)

    evaluation = evaluate(probabilities, np.zeros(500, np.int64), tuple("0123456789"))

    assert math.isfinite(evaluation.negative_log_likelihood)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        pytest.param([2.0, -1.0, 0.0], "image 1; end the network with a softmax", id="negative"),
        pytest.param([3.0, 1.0, 4.0], "got the sum 8", id="logits"),
        pytest.param([float("nan"), 0.5, 0.5], "first for image 1: training diverged", id="nan"),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(row, text):
    probabilities = np.array([[1, 0, 0], row], np.float32)

    with pytest.raises(FitError, match=text):
        evaluate(probabilities, np.array([0, 1]), NAMES)


@pytest.mark.parametrize(
    "shape", [(0, 3), (1, 3), (2, 4), (2,)], ids=["no images", "fewer rows", "more classes", "one axis"]
)
def test_answers_of_another_shape_are_refused(shape):
    with pytest.raises(FitError, match="expected one row per image"):
        evaluate(np.zeros(shape, np.float32), np.zeros(shape[0] if shape[0] == 0 else 2, np.int64), NAMES)
