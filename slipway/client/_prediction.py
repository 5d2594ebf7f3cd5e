"""The result of a prediction, and the array types on both sides of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pixels", "Prediction", "Probabilities"]

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
