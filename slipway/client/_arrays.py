"""Convert array-like objects to NumPy arrays with the same values, or raise an error that says how to convert."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipway.client._errors import InvalidImage
from slipway.printable import printable

__all__ = ["as_array", "wrong_array"]

_FILL = "such as images.filled(0)"


def as_array(value: object, where: str) -> NDArray[Any] | None:
    """Return an array-like object as a plain NumPy array, without a copy where possible; None for anything else.

    Tensors of other libraries are read through `__array__`.

    Raises:
        InvalidImage: Masked pixels; or `__array__` failed.
    """
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.getmaskarray(value).any():
            raise InvalidImage(f"{where}expected a value for every pixel, got masked ones: fill them, {_FILL}")
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


def wrong_array(array: NDArray[Any], shape: tuple[int, int, int], where: str) -> InvalidImage:
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
