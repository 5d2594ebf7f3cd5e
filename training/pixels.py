"""Convert pixels to a network's input, for training, export and the demo.

    as_input(images, "unit")      # uint8 0 to 255 -> float32 0.0 to 1.0
    as_input(images, "raw")       # uint8 0 to 255 -> float32 0.0 to 255.0, for a network that scales by itself

The images of a data set are always uint8; they are converted only here, and in the graphs that call `scaled`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.recipe import InputRange

__all__ = ["as_input", "scaled"]

_WHITE = 255.0
"""The brightest pixel of an image."""


def as_input(images: NDArray[np.uint8], input_range: InputRange) -> NDArray[np.float32]:
    """Convert images to a network's input.

    Args:
        images: uint8, any shape, 0 to 255.
        input_range: Pixel range of the network.

    Returns:
        float32, the same shape, in that range.
    """
    converted: NDArray[np.float32] = scaled(images.astype(np.float32), input_range)
    return converted


def scaled(pixels: Any, input_range: InputRange) -> Any:  # noqa: ANN401  # NumPy arrays and TensorFlow's tensors alike
    """Scale float32 pixels, an array or a tensor of 0 to 255, to the range."""
    return pixels / _WHITE if input_range == "unit" else pixels
