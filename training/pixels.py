"""Pixels as a network takes them: one place for the scale, for training, export and the demo alike.

as_input(images, "unit")      # uint8 0 to 255 -> float32 0.0 to 1.0
as_input(images, "raw")       # uint8 0 to 255 -> float32 0.0 to 255.0, for a network that scales by itself

The images of a data set are always uint8; only here do they become numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.recipe import InputRange

__all__ = ["WHITE", "as_input"]

WHITE = 255.0
"""The brightest pixel of an image."""


def as_input(images: NDArray[np.uint8], takes: InputRange) -> NDArray[np.float32]:
    """Convert images to what a network takes.

    Args:
        images: uint8, any shape, 0 to 255.
        takes: The range.

    Returns:
        float32, the same shape.
    """
    pixels = images.astype(np.float32)
    return pixels / np.float32(WHITE) if takes == "unit" else pixels
