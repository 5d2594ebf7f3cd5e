"""Labelled images that are published with a model, to check the answers of a served version.

    samples = read_samples(version.path / SAMPLES)
    check_samples(samples, contract)
    classifier.predict(samples.images).indices == samples.labels

One npz file with two arrays, `images` and `labels`. Equal samples make equal bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipway.contract import ModelContract
from slipway.errors import SlipwayError
from slipway.npz import NpzUnreadable, open_npz

__all__ = ["SAMPLES", "Samples", "SamplesUnreadable", "check_samples", "read_samples", "write_samples"]

SAMPLES = "samples.npz"
"""Name of the file in a version's folder."""

_NAMES = (("images", "labels"), ("x_test", "y_test"))
"""Accepted array names, in this order: our own, and those of the Keras data sets."""

_EXPECTED = "expected an npz file with the arrays images and labels (or x_test and y_test)"

_WAY_OUT = "write it with np.savez(path, images=..., labels=...), or choose another file"

_LARGEST_BYTES = 4 << 30
"""Largest array of images: 20,000 colour photographs of 256 x 256 pixels."""


class SamplesUnreadable(SlipwayError):
    """The file has no labelled images, or those of another model."""

    exit_status = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Images with their correct labels; at least one.

    Attributes:
        images: uint8, (n, height, width, channels), 0 to 255.
        labels: int64, (n,), each >= 0: index into the labels of the contract.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise ValueError(f"images: expected uint8 (n, height, width, channels), got {_kind(self.images)}")
        if self.labels.dtype != np.int64 or self.labels.ndim != 1:
            raise ValueError(f"labels: expected int64 (n,), got {_kind(self.labels)}")
        if len(self.images) != len(self.labels) or self.images.size == 0:
            raise ValueError(
                f"expected one label per image and at least one image, got {_kind(self.images)} and "
                f"{len(self.labels)} labels"
            )
        if self.labels.min() < 0:
            raise ValueError(f"labels: expected numbers from 0, got {self.labels.min()}")


def check_samples(samples: Samples, contract: ModelContract) -> None:
    """Reject the samples of another model.

    Raises:
        SamplesUnreadable: The shape of the images differs from the contract, or a label index is too large.
    """
    shape, highest = samples.images.shape[1:], int(samples.labels.max())
    problems = []
    if shape != contract.image_shape:
        problems.append(f"expected images of {contract.image_shape}, got {shape}")
    if highest >= len(contract.labels):
        problems.append(f"expected labels from 0 to {len(contract.labels) - 1}, got {highest}")
    if problems:
        raise SamplesUnreadable(
            f"these are not samples of model {contract.name!r}: {'; '.join(problems)}. Use the {SAMPLES} of one of its "
            "versions, or another model"
        )


def write_samples(path: Path, samples: Samples) -> None:
    """Write compressed arrays; equal samples make equal bytes, since NumPy writes no time stamp.

    Raises:
        OSError: The file cannot be written.
    """
    images = np.ascontiguousarray(samples.images)  # independent of the memory layout
    labels = np.ascontiguousarray(samples.labels)
    with path.open("wb") as file:  # given a path, NumPy would append `.npz` to another suffix
        np.savez_compressed(file, allow_pickle=False, images=images, labels=labels)


def read_samples(path: Path) -> Samples:
    """Read samples, or the test images of a data set.

    Args:
        path: An npz file with `images` and `labels`, or with Keras' `x_test` and `y_test`; other arrays are ignored.
            Images are uint8, (n, height, width) or (n, height, width, channels); labels are integers of any width,
            (n,) or (n, 1).

    Raises:
        SamplesUnreadable: The file is missing, not an npz file, damaged, or without these arrays.
    """
    try:
        images, labels = _read(path)
    except OSError as exc:
        raise SamplesUnreadable(
            f"{path}: {_EXPECTED}, got: {exc.strerror or exc}; publish a version with `slipway train`, or {_WAY_OUT}"
        ) from exc
    except SamplesUnreadable as exc:
        raise SamplesUnreadable(f"{path}: {exc}; {_WAY_OUT}") from exc
    try:
        return Samples(images=_with_channels(images), labels=_as_int64(labels))
    except ValueError as exc:
        raise SamplesUnreadable(f"{path}: {exc}; {_WAY_OUT}") from exc


def _read(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """The two arrays as stored."""
    try:
        with open_npz(path, limit_bytes=_LARGEST_BYTES) as archive:
            found = [names for names in _NAMES if set(names) <= set(archive.names)]
            if not found:
                raise SamplesUnreadable(f"{_EXPECTED}, got: {archive.shown_names() or 'an empty archive'}")
            images, labels = found[0]
            return archive.read(images), archive.read(labels)
    except NpzUnreadable as exc:
        raise SamplesUnreadable(f"{_EXPECTED}: {exc}") from exc


def _with_channels(images: NDArray[Any]) -> NDArray[Any]:
    return images[..., np.newaxis] if images.ndim == 3 else images


def _as_int64(labels: NDArray[Any]) -> NDArray[np.int64]:
    column = labels.ndim == 2 and labels.shape[1] == 1
    if labels.dtype.kind not in "iu" or not (labels.ndim == 1 or column):
        raise ValueError(f"labels: expected integers of shape (n,) or (n, 1), got {_kind(labels)}")
    return labels.reshape(-1).astype(np.int64)


def _kind(array: NDArray[Any]) -> str:
    return f"{array.dtype} {array.shape}"
