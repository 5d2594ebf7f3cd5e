"""The four arrays of a data set in the one form that everything after reading uses, and their digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ARRAY_NAMES", "Arrays"]

ARRAY_NAMES = ("x_train", "y_train", "x_test", "y_test")
"""As in the files that Keras publishes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrays:
    """Training and test images with their labels.

    Attributes:
        x_train: uint8, (n, height, width, channels), 0 to 255.
        y_train: int64, (n,), index of the class.
        x_test: As `x_train`, other n.
        y_test: As `y_train`, other n.
    """

    x_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]

    def digest(self) -> str:
        """SHA-256, in hex, over name, dtype, shape and bytes of each array.

        The tags keep apart arrays that hold the same bytes in another shape. Two digests are equal exactly
        when the arrays are, on any machine: bytes are taken little-endian, in C order.
        """
        sha256 = hashlib.sha256()
        for name in ARRAY_NAMES:
            array: NDArray[np.uint8 | np.int64] = getattr(self, name)
            portable = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            sha256.update(f"{name} {portable.dtype.str} {portable.shape}\n".encode())
            sha256.update(portable.data)
        return sha256.hexdigest()
