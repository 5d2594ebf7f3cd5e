"""Set validation images aside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from training.errors import DataRefused

__all__ = ["stratified_rows"]


def stratified_rows(
    labels: NDArray[np.int64], *, validation_images: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose the rows to train on and the rows to validate on, each class in proportion.

    Args:
        labels: int64, (n,), of all training images.
        validation_images: How many rows to set aside.
        seed: Equal seeds choose equal rows.

    Returns:
        Rows to train on and rows to validate on: int64, each ascending, together 0 to n - 1.

    Raises:
        DataRefused: There are too few images for that, overall or of one class.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if len(labels) - validation_images < len(classes):
        raise DataRefused(
            f"x_train: expected more than dataset.validation_images ({validation_images}) images, by at least one "
            f"for each of {len(classes)} classes, got {len(labels)}; add images, or leave dataset.validation_images "
            "out of the recipe: one image in six is set aside then"
        )
    if validation_images < len(classes) or counts.min() < 2:
        rare = int(classes[counts.argmin()])
        raise DataRefused(
            f"y_train: expected at least 2 images of each class and dataset.validation_images >= {len(classes)} "
            f"classes, got {int(counts.min())} image(s) of class {rare} and {validation_images} validation images"
        )
    train, validation = train_test_split(
        np.arange(len(labels)), test_size=validation_images, stratify=labels, random_state=seed
    )
    return np.sort(train), np.sort(validation)
