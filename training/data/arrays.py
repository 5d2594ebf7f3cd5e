"""The four arrays of a data set, validated and in canonical form.

arrays = canonical(raw)      # or DataRefused, naming what is wrong with each array
arrays.x_train               # uint8 (n, height, width, channels)
arrays.digest()
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.judge import FAINT
from training.data.rows import Rows
from training.errors import DataRefused

__all__ = ["ARRAY_NAMES", "Arrays", "canonical"]

ARRAY_NAMES = ("x_train", "y_train", "x_test", "y_test")
"""Array names as in the files that Keras publishes."""


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


def canonical(raw: Mapping[str, NDArray[Any]]) -> Arrays:
    """Validate dtypes and shapes, add a missing channel axis, and convert labels to one integer type.

    Args:
        raw: `x_train` and `x_test`: uint8, (n, height, width) or (n, height, width, 1 or 3).
            `y_train` and `y_test`: any integer type, (n,).

    Raises:
        DataRefused: Names every invalid array, with its first faulty rows. No cast loses values.
    """
    problems = [problem for name in ("x_train", "x_test") for problem in _image_problems(name, raw[name])]
    problems += [problem for name in ("y_train", "y_test") for problem in _label_problems(name, raw[name])]
    problems += _mismatches(raw)
    if problems:
        raise DataRefused("\n".join(problems))
    return Arrays(
        x_train=_with_channels(raw["x_train"]),
        y_train=raw["y_train"].astype(np.int64),
        x_test=_with_channels(raw["x_test"]),
        y_test=raw["y_test"].astype(np.int64),
    )


def _image_problems(name: str, images: NDArray[Any]) -> Iterator[str]:
    channels = images.shape[3] if images.ndim == 4 else 1
    if images.ndim not in {3, 4} or channels not in {1, 3} or 0 in images.shape:
        yield f"{name}: expected images (n, height, width) or (n, height, width, 1 or 3), got shape {images.shape}"
        return
    yield from _not_finite(name, images)
    if images.dtype != np.uint8:
        yield f"{name}: expected uint8, 0 to 255, got {_described(images)}; {_conversion(images)}"


def _label_problems(name: str, labels: NDArray[Any]) -> Iterator[str]:
    if labels.ndim != 1:
        yield f"{name}: expected (n,), one class index a row, got shape {labels.shape}{_other_shape(labels)}"
        return
    yield from _not_finite(name, labels)
    if not np.issubdtype(labels.dtype, np.integer):
        yield f"{name}: expected integers, got {_described(labels)}; {_other_labels(labels)}"


def _other_shape(labels: NDArray[Any]) -> str:
    """Describe labels with more than one axis, with a remedy if a lossless one exists."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        return "; use y.reshape(-1)"
    if labels.ndim != 2 or labels.dtype.kind not in "biuf" or not labels.size:
        what = "segmentation masks or boxes are not supported" if labels.ndim > 2 else "one class for each image"
        return f": this trains a classifier of whole images, {what}"
    if not ((labels == 0) | (labels == 1)).all():
        rows = _rows_with((labels != 0) & (labels != 1))
        kind = "shares of several classes" if _are_shares(labels) else "numbers to predict"
        return (
            f" of {kind}, as in {rows}: soft labels and regression are not trained here, and an argmax would throw "
            "them away; decide on one class per image"
        )
    several = Rows.where(labels.astype(np.int64).sum(axis=1) != 1)
    if several.count:
        return (
            f": multi-label, for {several} {'names' if several.count == 1 else 'name'} no class or more than one; this "
            "trains one class per image, and an argmax would keep just the first: leave such images out, or train one "
            "model per class"
        )
    return "; one-hot rows, each with exactly one 1: y.argmax(axis=1)"


def _are_shares(labels: NDArray[Any]) -> bool:
    return bool(np.isfinite(labels).all() and (labels >= 0).all() and np.allclose(labels.sum(axis=1), 1, atol=1e-3))


def _other_labels(labels: NDArray[Any]) -> str:
    """Remedy for labels that are not integers, if a lossless one exists."""
    if labels.dtype.kind in "US":
        return "names of classes become numbers with: labels, y = np.unique(y, return_inverse=True); keep `labels` too"
    if labels.dtype == np.bool_:
        return "convert with y.astype(np.int64)"
    if labels.dtype.kind != "f":
        return "class indices are whole numbers from 0"
    finite = np.isfinite(labels)
    fractions = Rows.where(finite & (np.where(finite, labels, 0) % 1 != 0))
    if fractions.count:
        return (
            f"{fractions} {'holds a fraction' if fractions.count == 1 else 'hold fractions'}: a quantity to predict is "
            "regression, which is not trained here, and rounding it would make other labels of it"
        )
    if not finite.all():
        return "remove these images, or label them; then y.astype(np.int64)"
    return (
        "all are whole numbers: convert with y.astype(np.int64), and give names of classes in the array `labels`"
        if labels.size
        else "class indices are whole numbers from 0"
    )


def _mismatches(raw: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    for images, labels in (("x_train", "y_train"), ("x_test", "y_test")):
        if raw[images].shape[:1] != raw[labels].shape[:1]:
            yield (
                f"{images}, {labels}: expected one label for each image, "
                f"got shapes {raw[images].shape} and {raw[labels].shape}"
            )
    train, test = (_with_channels(raw[name]).shape[1:] for name in ("x_train", "x_test"))
    if train != test:
        yield f"x_train, x_test: expected images of one shape, got {train} and {test}"


def _not_finite(name: str, values: NDArray[Any]) -> Iterator[str]:
    if np.issubdtype(values.dtype, np.inexact):
        bad = _rows_with(~np.isfinite(values))
        if bad.count:
            yield f"{name}: {bad} {'has' if bad.count == 1 else 'have'} NaN or infinite values"


def _described(values: NDArray[Any]) -> str:
    """The dtype and, for numbers, the range."""
    extent = _extent(values)
    return str(values.dtype) if extent is None else f"{values.dtype} with values {extent[0]:g} to {extent[1]:g}"


def _conversion(images: NDArray[Any]) -> str:
    if images.dtype == np.bool_:
        return "convert with x.astype(np.uint8) * 255"
    extent = _extent(images)
    if extent is None:
        return "pixels are numbers"
    if extent[0] < 0 or extent[1] > 255:
        outside = _rows_with((images < 0) | (images > 255))
        return f"{outside} {'is' if outside.count == 1 else 'are'} out of range: scale to 0 to 255 first"
    if 0 < extent[1] <= 1:
        return "convert with (x * 255).round().astype(np.uint8)"
    rounded = ".round()" if np.issubdtype(images.dtype, np.floating) else ""
    if 0 < extent[1] < FAINT:
        return (
            f"convert with (x * (255 / WHITE)).round().astype(np.uint8), where WHITE is the scale's brightest value, "
            f"{extent[1]:g} or more; where that is 255, with x{rounded}.astype(np.uint8)"
        )
    return f"convert with x{rounded}.astype(np.uint8)"


def _extent(values: NDArray[Any]) -> tuple[float, float] | None:
    """Least and greatest finite value; None without one, and for what is no real number."""
    if not np.issubdtype(values.dtype, np.integer) and not np.issubdtype(values.dtype, np.floating):
        return None
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def _rows_with(mask: NDArray[np.bool_]) -> Rows:
    """The rows of an array in which any value is marked."""
    return Rows.where(mask.any(axis=tuple(range(1, mask.ndim))))


def _with_channels(images: NDArray[Any]) -> NDArray[Any]:
    return images[..., np.newaxis] if images.ndim == 3 else images
