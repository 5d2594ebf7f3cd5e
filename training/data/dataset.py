"""A data set: three splits of labelled images, and their source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slipway.contract import Background

__all__ = ["Dataset", "Split"]

_BACKGROUND_IMAGES = 1_000
_NEARLY_ALL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Images with their labels.

    Attributes:
        images: uint8, (n, height, width, channels), 0 to 255.
        labels: int64, (n,), index into the data set's `labels`.
        rows: int64, (n,): row of each image in its source array (`x_train` or `x_test`), for findings. None: its own
            position.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64] | None = None

    def source_row(self, position: int) -> int:
        """The row in the source array of the image at a position of the split."""
        return position if self.rows is None else int(self.rows[position])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Train on `train`, select by `validation`, use `test` once, at the end.

    Attributes:
        name: `mnist`, or the name of the user's file.
        source: Source of this copy.
        digest: SHA-256, in hex, of all arrays before the split; equal digests mean equal data.
        labels: One name per class.
    """

    name: str
    source: str
    digest: str
    labels: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)` of every image."""
        _, height, width, channels = self.train.images.shape
        return height, width, channels

    @property
    def background(self) -> Background | None:
        """Background of the training images, if nearly all borders agree, unlike those of photographs."""
        images = self.train.images[:_BACKGROUND_IMAGES]
        edge = np.ones(images.shape[1:3], np.bool_)
        edge[1:-1, 1:-1] = False
        brightness = images[:, edge].mean(axis=(1, 2))  # of each image's border
        if (brightness < 64).mean() >= _NEARLY_ALL:
            return "dark"
        return "light" if (brightness > 191).mean() >= _NEARLY_ALL else None
