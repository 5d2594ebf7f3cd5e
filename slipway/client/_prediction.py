"""The result of a prediction, built from the model's probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from slipway.contract import ModelContract

__all__ = ["Pixels", "Prediction", "Probabilities", "prediction_of", "rows_of"]

Pixels: TypeAlias = NDArray[np.uint8]
Probabilities: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """The classes of n images, in the order they were given.

    Attributes:
        labels: Name of the most probable class of each image; n of them.
        indices: int64, shape (n,), read-only; the same classes as column indices of `probabilities`.
        probabilities: float32, shape (n, classes), read-only; each row sums to 1.
        class_names: Names of the columns of `probabilities`.
        model_name: The model that answered.
        model_version: The version that answered (the last, if it changed during the call).
    """

    labels: tuple[str, ...]
    indices: NDArray[np.int64]
    probabilities: Probabilities
    class_names: tuple[str, ...]
    model_name: str
    model_version: str

    def __len__(self) -> int:
        return len(self.labels)


def prediction_of(contract: ModelContract, probabilities: Probabilities, model_version: str) -> Prediction:
    """Name the most probable class of each image; the arrays become read-only."""
    indices = probabilities.argmax(axis=1)
    indices.flags.writeable = probabilities.flags.writeable = False
    return Prediction(
        labels=tuple([contract.labels[i] for i in indices.tolist()]),
        indices=indices,
        probabilities=probabilities,
        class_names=contract.labels,
        model_name=contract.name,
        model_version=model_version,
    )


def rows_of(whole: Prediction, start: int, end: int) -> Prediction:
    """Slice a prediction from `start` to `end` without a copy."""
    return Prediction(
        labels=whole.labels[start:end],
        indices=whole.indices[start:end],
        probabilities=whole.probabilities[start:end],
        class_names=whole.class_names,
        model_name=whole.model_name,
        model_version=whole.model_version,
    )
