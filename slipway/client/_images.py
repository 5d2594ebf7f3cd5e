"""Convert images to a batch of the model's shape. Arrays are never cast, scaled or resized.

    to_batch(np.zeros((28, 28), np.uint8), contract).shape   # (1, 28, 28, 1)
    to_batch(["a.png", "b.png"], contract).shape             # (2, 28, 28, 1): files are converted and resized

Anything else raises `InvalidImage` with expected and got.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, TypeAlias

import numpy as np

from slipway.client._arrays import as_array, wrong_array
from slipway.client._conversion import DEFAULT_CONVERSION, Conversion, Finding, warn_about
from slipway.client._errors import InvalidImage
from slipway.client._prediction import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

    from slipway.contract import ModelContract

__all__ = ["ImageInput", "ImagesInput", "to_batch"]

ImageInput: TypeAlias = "Pixels | Image | str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]"
"""One image: uint8 array (h, w, c), or (h, w) where the model has one channel, or a tensor that NumPy can read; a
Pillow image; a path to a file, its bytes, or the open file."""

ImagesInput: TypeAlias = "ImageInput | Sequence[ImageInput]"
"""One image, several, or a uint8 array (n, h, w, c), or (n, h, w) where the model has one channel."""


def to_batch(images: ImagesInput, contract: ModelContract, conversion: Conversion = DEFAULT_CONVERSION) -> Pixels:
    """Turn images into one batch of the model's shape.

    Arrays must already be uint8 of the model's height and width. Pictures are rotated upright, converted to the
    model's channels and resized; their brightness is kept, so a dark digit on white paper needs `invert`. One
    `PictureWarning` per call lists what looks unlike the training images.

    Args:
        images: See `ImagesInput`.
        contract: The model's input signature.
        conversion: Options for pictures.

    Returns:
        uint8, shape (n, height, width, channels), n >= 1, 0 to 255.

    Raises:
        InvalidImage: Anything else; says expected and got, and the index of the image.
    """
    shape = contract.image_shape
    array = as_array(images, "")
    findings: list[Finding] = []
    if array is not None:
        batch = _array_batch(array, shape)
    elif isinstance(images, Sequence) and not isinstance(images, str | bytes | bytearray | memoryview):
        if not images:
            raise InvalidImage("expected at least one image, got an empty sequence")
        batch = np.stack(
            [_one(image, contract, conversion, f"images[{i}]: ", findings) for i, image in enumerate(images)]
        )
    else:
        batch = _one(images, contract, conversion, "", findings)[np.newaxis]
    warn_about(findings)
    return np.bitwise_not(batch) if conversion.invert else batch


def _array_batch(images: Pixels, shape: tuple[int, int, int]) -> Pixels:
    if images.dtype == np.uint8 and images.ndim == 4 and images.shape[1:] == shape and len(images) > 0:
        return images
    if images.ndim == 4 or (images.ndim == 3 and images.shape != shape):
        batched = images[..., np.newaxis] if images.ndim == 3 and shape[2] == 1 else images
        if batched.dtype != np.uint8 or batched.shape[1:] != shape:
            raise wrong_array(images, shape, "")
        if len(batched) == 0:
            raise InvalidImage(f"expected at least one image, got an empty batch {images.shape}")
        return batched
    return _one_array(images, shape, "")[np.newaxis]


def _one_array(array: Pixels, shape: tuple[int, int, int], where: str) -> Pixels:
    single = array[..., np.newaxis] if array.ndim == 2 and shape[2] == 1 else array
    if single.dtype != np.uint8 or single.shape != shape:
        raise wrong_array(array, shape, where)
    return single


def _one(image: object, contract: ModelContract, conversion: Conversion, where: str, findings: list[Finding]) -> Pixels:
    array = as_array(image, where)
    if array is not None:
        return _one_array(array, contract.image_shape, where)
    from slipway.client._pictures import read_picture  # noqa: PLC0415 - Pillow is loaded only for pictures

    pixels, new_findings = read_picture(image, contract, conversion, where)
    findings += new_findings
    return pixels
