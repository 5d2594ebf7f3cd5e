"""Whatever a caller has, as the pixels that the model takes. Arrays are never cast, scaled or resized.

    to_batch(np.zeros((28, 28), np.uint8), contract).shape   # (1, 28, 28, 1)
    to_batch(["a.png", "b.png"], contract).shape             # (2, 28, 28, 1): files are converted and resized

What is no image at all is refused with expected and got.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from slipway.client._errors import InvalidImage
from slipway.client._prediction import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

    from slipway.contract import ModelContract

__all__ = ["ImageInput", "ImagesInput", "to_batch"]

ImageInput: TypeAlias = "Pixels | Image | str | os.PathLike[str]"
"""One image: uint8 array (h, w, c), or (h, w) where the model has one channel; a Pillow image; a path to a file."""

ImagesInput: TypeAlias = "ImageInput | Sequence[ImageInput]"
"""One image, several, or a uint8 array (n, h, w, c), or (n, h, w) where the model has one channel."""


def to_batch(images: ImagesInput, contract: ModelContract, *, invert: bool = False) -> Pixels:
    """Turn images into one batch of the model's shape.

    Arrays must already be uint8 of the model's height and width. Pillow images and files are turned to the model's
    channels (transparency shows white, as in a viewer) and resized with Lanczos where their size differs; their
    brightness is kept, so a dark digit on white paper needs `invert`.

    Args:
        images: See `ImagesInput`.
        contract: What the model takes.
        invert: Replace each value by 255 - value.

    Returns:
        uint8, shape (n, height, width, channels), n >= 1, 0 to 255.

    Raises:
        InvalidImage: Anything else; says expected and got, and which of several images it is.
    """
    shape = contract.image_shape
    if isinstance(images, np.ndarray):
        batch = _array_batch(images, shape)
    elif isinstance(images, Sequence) and not isinstance(images, str | bytes):
        if not images:
            raise InvalidImage("expected at least one image, got an empty sequence")
        batch = np.stack([_one(image, shape, f"images[{i}]: ") for i, image in enumerate(images)])
    else:
        batch = _one(images, shape, "")[np.newaxis]
    return np.bitwise_not(batch) if invert else batch


def _array_batch(images: Pixels, shape: tuple[int, int, int]) -> Pixels:
    if images.dtype == np.uint8 and images.ndim == 4 and images.shape[1:] == shape and len(images) > 0:
        return images
    if images.ndim == 4 or (images.ndim == 3 and images.shape != shape):
        batched = images[..., np.newaxis] if images.ndim == 3 and shape[2] == 1 else images
        if batched.dtype != np.uint8 or batched.shape[1:] != shape:
            raise _wrong_array(images, shape, "")
        if len(batched) == 0:
            raise InvalidImage(f"expected at least one image, got an empty batch {images.shape}")
        return batched
    return _one(images, shape, "")[np.newaxis]


def _one(image: object, shape: tuple[int, int, int], where: str) -> Pixels:
    if isinstance(image, np.ndarray):
        single = image[..., np.newaxis] if image.ndim == 2 and shape[2] == 1 else image
        if single.dtype != np.uint8 or single.shape != shape:
            raise _wrong_array(image, shape, where)
        return single
    from slipway.client._pictures import read_picture  # noqa: PLC0415 - Pillow is loaded by those who give pictures

    return read_picture(image, shape, where)


def _wrong_array(array: np.ndarray, shape: tuple[int, int, int], where: str) -> InvalidImage:
    flat = f", {shape[:2]}" if shape[2] == 1 else ""
    hint = ""
    if array.dtype != np.uint8:
        hint = "; the model takes raw pixels 0 to 255 and scales them itself: convert with .astype(np.uint8) on purpose"
    return InvalidImage(
        f"{where}expected uint8 {shape}{flat} or a batch of these, got {array.dtype} {array.shape}{hint}"
    )
