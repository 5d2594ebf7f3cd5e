"""The two tensors of a model: images become the input, the output's bytes become probabilities.

    to_batch(np.zeros((28, 28), np.uint8), contract).shape   # (1, 28, 28, 1)
    to_batch(["a.png", "b.png"], contract).shape             # (2, 28, 28, 1): files are converted and resized

Arrays are never cast, scaled or resized; an unsupported one raises `InvalidImage` with expected, got, and how to
convert.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from slipway.client._conversion import DEFAULT_CONVERSION, Conversion, PictureFinding, warn_about
from slipway.client._errors import InvalidImage
from slipway.client._prediction import Pixels, Probabilities
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.contract import PROBABILITIES
from slipway.printable import printable

if TYPE_CHECKING:
    from PIL.Image import Image

    from slipway.contract import ModelContract

__all__ = ["ImageInput", "ImagesInput", "InferResult", "to_batch"]

_SUM_TOLERANCE = 1e-3
_FEW_NUMBERS = 256  # up to this many, summing in Python is faster than in NumPy

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
    array = _as_array(images, "")
    findings: list[PictureFinding] = []
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
            raise _wrong_array(images, shape, "")
        if len(batched) == 0:
            raise InvalidImage(f"expected at least one image, got an empty batch {images.shape}")
        return batched
    return _one_array(images, shape, "")[np.newaxis]


def _one_array(array: Pixels, shape: tuple[int, int, int], where: str) -> Pixels:
    single = array[..., np.newaxis] if array.ndim == 2 and shape[2] == 1 else array
    if single.dtype != np.uint8 or single.shape != shape:
        raise _wrong_array(array, shape, where)
    return single


def _one(
    image: object, contract: ModelContract, conversion: Conversion, where: str, findings: list[PictureFinding]
) -> Pixels:
    array = _as_array(image, where)
    if array is not None:
        return _one_array(array, contract.image_shape, where)
    from slipway.client._pictures import read_picture  # noqa: PLC0415 - Pillow is loaded only for pictures

    pixels, new_findings = read_picture(image, contract, conversion, where)
    findings += new_findings
    return pixels


def _as_array(value: object, where: str) -> NDArray[Any] | None:
    """Return an array-like object as a plain NumPy array, without a copy where possible; None for anything else.

    Tensors of other libraries are read through `__array__`.

    Raises:
        InvalidImage: Masked pixels; or `__array__` failed.
    """
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.getmaskarray(value).any():
            raise InvalidImage(
                f"{where}expected a value for every pixel, got masked ones: fill them, such as images.filled(0)"
            )
        return np.asarray(value.data)
    if isinstance(value, str | bytes) or not (isinstance(value, np.ndarray) or hasattr(value, "__array__")):
        return None  # NumPy's own texts, such as the paths of an array of paths, are texts
    try:
        return np.asarray(value)
    except Exception as exc:  # whatever the other library raises
        raise InvalidImage(
            f"{where}expected a uint8 array, got {type(value).__name__} that gives no values "
            f"({printable(str(exc), limit=200)}): bring it to the CPU first, as a NumPy array"
        ) from exc


def _wrong_array(array: NDArray[Any], shape: tuple[int, int, int], where: str) -> InvalidImage:
    """Build the error for an unsupported array: expected, got, and how to convert its values."""
    flat = f", {shape[:2]}" if shape[2] == 1 else ""
    hint = "" if array.dtype == np.uint8 else f"; the model takes raw pixels 0 to 255: {_conversion_hint(array)}"
    return InvalidImage(
        f"{where}expected uint8 {shape}{flat} or a batch of these, got {array.dtype} {array.shape}{hint}"
    )


def _conversion_hint(array: NDArray[Any]) -> str:
    """The conversion for these values."""
    if array.dtype == np.bool_:
        return "convert with images.astype(np.uint8) * 255"
    if array.dtype.kind == "O":
        return "give one array of numbers, such as np.stack(images)"
    if array.dtype.kind not in "iuf" or array.size == 0:
        return "these are no real numbers"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return "some values are NaN or infinite"
    return _hint_by_range(array)


def _hint_by_range(array: NDArray[Any]) -> str:
    least, most, fractions = array.min(), array.max(), array.dtype.kind == "f"
    values = f"the values are {least:g} to {most:g}"
    if least < 0:
        return f"{values}, below 0: bring them to 0 to 255 the way they were scaled"
    if array.dtype == np.uint16 and most > 255:
        return f"{values}: convert with (images // 257).astype(np.uint8) if they are 16 bits deep"
    if most > 255:
        return f"{values}, beyond 255: bring them to 0 to 255 first"
    if most <= 1 and not fractions:
        return f"{values}: convert with .astype(np.uint8), times 255 if 1 is white"
    if most <= 1:
        return f"{values}: convert with (images * 255).round().astype(np.uint8)"
    return f"{values}: convert with images{'.round()' if fractions else ''}.astype(np.uint8)"


@dataclass(frozen=True, slots=True)
class InferResult:
    """Probabilities, float32, shape (n, classes), and the version of the model that gave them."""

    probabilities: Probabilities
    model_version: str

    @classmethod
    def from_wire(
        cls, content: bytes, *, shape: tuple[int, ...], images: int, model_version: str
    ) -> InferResult | TransportFailure:
        """Read little-endian float32 without a copy; a failure for bytes of another shape."""
        if len(shape) != 2 or shape[0] != images or len(content) != 4 * shape[0] * shape[1]:
            return TransportFailure(
                kind=FailureKind.FAILED,
                text=f"expected {PROBABILITIES} FP32 [{images}, labels] and all its bytes, "
                f"got {list(shape)} in {len(content)} bytes",
            )
        return cls(np.frombuffer(content, "<f4").reshape(shape), model_version)

    def flaw(self) -> str:
        """Why these are not probabilities, or "": each must be 0 to 1, and each row sum to 1 within 0.001."""
        if self.probabilities.size <= _FEW_NUMBERS and _sum_to_one(self.probabilities.tolist()):
            return ""
        sums = self.probabilities.sum(axis=1)
        errors = np.abs(sums - 1)
        if errors.max() <= _SUM_TOLERANCE and self.probabilities.min(initial=0) >= 0:  # both false where there is NaN
            return ""
        good = (errors <= _SUM_TOLERANCE) & (self.probabilities.min(axis=1, initial=0) >= 0)
        row = int(np.flatnonzero(~good)[0])
        start = ", ".join(f"{value:g}" for value in self.probabilities[row, :5].tolist())
        return (
            f"expected {PROBABILITIES} that add up to 1, got [{start}, …] in one row, together {sums[row]:g}; "
            "does the model end in a softmax?"
        )


def _sum_to_one(rows: list[list[float]]) -> bool:
    """Whether each row holds probabilities; a NaN makes the sum NaN, which fails the comparison."""
    return all(abs(sum(row) - 1) <= _SUM_TOLERANCE and min(row) >= 0 for row in rows)
