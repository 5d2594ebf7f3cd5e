"""Metrics of a classifier's predictions.

    evaluation = evaluate(probabilities, labels, class_names=("0", "1", ...))
    evaluation.accuracy, evaluation.macro.f1, evaluation.expected_calibration_error

Pure: no inference, no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
)

from training.errors import FitError

__all__ = ["CALIBRATION_BINS", "ClassScores", "Evaluation", "MacroScores", "ReliabilityBin", "evaluate"]

CALIBRATION_BINS = 15
"""Number of bins as in Guo et al. 2017, so that values are comparable with the literature."""

_ROW_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores:
    """Metrics of one class against all others. A ratio with denominator zero counts as 0.

    Attributes:
        label: The class's name.
        precision: Share of the images predicted as this class that belong to it.
        recall: Share of the images of this class that are predicted as it.
        f1: Harmonic mean of the two.
        support: Images of this class.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroScores:
    """Unweighted means over the classes."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Images whose highest probability lies in `(lower, upper]`.

    Attributes:
        lower: Lower bound, exclusive.
        upper: Upper bound, inclusive.
        images: Number of images.
        confidence: Mean highest probability; None in an empty bin.
        accuracy: Share classified correctly; None in an empty bin.
    """

    lower: float
    upper: float
    images: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The metrics of a classifier on one set of images.

    Attributes:
        images: Number of images.
        accuracy: Share classified correctly.
        macro: Means over the classes.
        per_class: One entry per class, in the order of the probabilities.
        confusion: `confusion[true][predicted]` counts images.
        negative_log_likelihood: Mean of -ln(probability of the true class), in nats.
        brier: Mean over images of the squared error summed over classes, 0 (best) to 2.
        expected_calibration_error: Mean gap between confidence and accuracy, 0 (best) to 1.
        reliability: The bins behind the calibration error, from low to high confidence.
    """

    images: int
    accuracy: float
    macro: MacroScores
    per_class: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    negative_log_likelihood: float
    brier: float
    expected_calibration_error: float
    reliability: tuple[ReliabilityBin, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return tuple(scores.label for scores in self.per_class)

    @property
    def mistakes(self) -> int:
        """Number of misclassified images."""
        return self.images - sum(row[true] for true, row in enumerate(self.confusion))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        plain: dict[str, Any] = TypeAdapter(Evaluation).dump_python(self, mode="json")
        return plain


def evaluate(probabilities: NDArray[np.float32], labels: NDArray[np.int64], class_names: Sequence[str]) -> Evaluation:
    """Compare predictions with the true labels.

    Args:
        probabilities: Shape (n, classes), each row a distribution.
        labels: Shape (n,), the true class of each image, in [0, classes).
        class_names: One per column of `probabilities`.

    Raises:
        FitError: The outputs are not probabilities: wrong shape, not finite, negative, or rows do not sum to 1.
    """
    _refuse_non_probabilities(probabilities, rows=len(labels), columns=len(class_names))
    distribution = probabilities.astype(np.float64)
    distribution /= distribution.sum(axis=1, keepdims=True)
    predicted = distribution.argmax(axis=1)
    classes = np.arange(len(class_names))
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    reliability = _reliability(distribution.max(axis=1), predicted == labels)
    return Evaluation(
        images=len(labels),
        accuracy=float(accuracy_score(labels, predicted)),
        macro=MacroScores(precision=float(precision.mean()), recall=float(recall.mean()), f1=float(f1.mean())),
        per_class=tuple(
            ClassScores(
                label=name,
                precision=float(precision[index]),
                recall=float(recall[index]),
                f1=float(f1[index]),
                support=int(support[index]),
            )
            for index, name in enumerate(class_names)
        ),
        confusion=tuple(tuple(row) for row in confusion_matrix(labels, predicted, labels=classes).tolist()),
        negative_log_likelihood=float(log_loss(labels, distribution, labels=classes)),
        # Not halved for two classes, so that the metric is comparable between models.
        brier=float(brier_score_loss(labels, distribution, labels=classes, scale_by_half=False)),
        expected_calibration_error=_calibration_error(reliability),
        reliability=reliability,
    )


def _refuse_non_probabilities(probabilities: NDArray[np.float32], *, rows: int, columns: int) -> None:
    if probabilities.shape != (rows, columns) or rows == 0:
        raise FitError(
            f"the network's outputs: expected one row per image and one column per class, ({rows}, {columns}) "
            f"and at least one row, got {probabilities.shape}"
        )
    finite = np.isfinite(probabilities).all(axis=1)
    if not finite.all():
        raise FitError(
            f"the network returns NaN or infinity for {np.count_nonzero(~finite)} of {rows} images, first for image "
            f"{int(np.argmin(finite))}: training diverged; lower optimizer.learning_rate or lengthen the warm-up"
        )
    sums = probabilities.sum(axis=1, dtype=np.float64)
    wrong = (np.abs(sums - 1) > _ROW_SUM_TOLERANCE) | (probabilities < 0).any(axis=1)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise FitError(
            f"the network's outputs are not probabilities: expected rows >= 0 that sum to 1, got the sum "
            f"{sums[first]:.4g} and the minimum {probabilities[first].min():.4g} for image {first}; "
            "end the network with a softmax"
        )


def _reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> tuple[ReliabilityBin, ...]:
    """Sort images into equal-width bins by confidence.

    scikit-learn's `calibration_curve` has the same bins, but does not return how many images fall into each.
    """
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bins = np.searchsorted(edges[1:-1], confidence)  # (lower, upper], as in the paper
    images = np.bincount(bins, minlength=CALIBRATION_BINS)
    confidence_sums = np.bincount(bins, weights=confidence, minlength=CALIBRATION_BINS)
    correct_sums = np.bincount(bins, weights=correct, minlength=CALIBRATION_BINS)
    return tuple(
        ReliabilityBin(
            lower=float(edges[index]),
            upper=float(edges[index + 1]),
            images=int(count),
            confidence=float(confidence_sums[index] / count) if count else None,
            accuracy=float(correct_sums[index] / count) if count else None,
        )
        for index, count in enumerate(images)
    )


def _calibration_error(reliability: tuple[ReliabilityBin, ...]) -> float:
    """Expected calibration error.

    Guo, Pleiss, Sun, Weinberger: "On Calibration of Modern Neural Networks", ICML 2017, equation 3:
    the sum over bins of (images in the bin / all images) * |accuracy - confidence|.
    """
    total = sum(one.images for one in reliability)
    gaps = (
        one.images * abs(one.accuracy - one.confidence)
        for one in reliability
        if one.accuracy is not None and one.confidence is not None
    )
    return sum(gaps) / total
