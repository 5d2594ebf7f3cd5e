"""Measure a data set, without judging it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Dataset, Split
from training.data.rows import Pairs, Rows

__all__ = ["OverlapMeasures", "SplitMeasures", "measure"]

_ARRAYS = {"train": "x_train", "validation": "x_train", "test": "x_test"}
"""The source array of each split, in which rows are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitMeasures:
    """Measures of one split.

    Attributes:
        name: `train`, `validation` or `test`.
        array: The array of the source that rows are counted in.
        images: Number of images.
        shape: `(height, width, channels)` of each image.
        dtype: Data type of the pixels.
        minimum: Darkest pixel of all images; 0 if there are none, as for the next two.
        maximum: Brightest pixel.
        mean: Mean of all pixels.
        class_counts: Images of each class, in the order of the data set's labels.
        blank: Images of a single value.
        unscaled: Images of zeros and ones, if others are brighter.
        unlabelled: Images whose label is not the index of a class.
        duplicates: Images equal to an earlier one, with that one.
        conflicts: Those of `duplicates` that have another label than the earlier one.
    """

    name: str
    array: str
    images: int
    shape: tuple[int, int, int]
    dtype: str
    minimum: int
    maximum: int
    mean: float
    class_counts: tuple[int, ...]
    blank: Rows
    unscaled: Rows
    unlabelled: Rows
    duplicates: Pairs
    conflicts: Pairs

    @property
    def imbalance(self) -> float | None:
        """Images of the most frequent class for each of the rarest; None while a class has none."""
        rarest = min(self.class_counts)
        return max(self.class_counts) / rarest if rarest else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapMeasures:
    """Images of one split that are also in another, pixel by pixel.

    Attributes:
        held_out: The split that should be new to the model.
        held_out_array: The array of the source that its rows are counted in.
        seen: The split or splits that a model is trained or selected on: `train`, or `train or validation`.
        seen_array: The array of the source that partners are counted in.
        images: Images in `held_out`.
        shared: Those that are in `seen` too, with the first equal image there.
        conflicts: Those of `shared` that have another label there.
    """

    held_out: str
    held_out_array: str
    seen: str
    seen_array: str
    images: int
    shared: Pairs
    conflicts: Pairs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fingerprinted:
    """A split with an index of its images by content.

    Attributes:
        name: `train`, `validation` or `test`.
        split: The images.
        keys: A fingerprint of each image: equal exactly when the images are.
        positions: The first position of each fingerprint.
    """

    name: str
    split: Split
    keys: list[bytes]
    positions: dict[bytes, int]


def measure(dataset: Dataset) -> tuple[tuple[SplitMeasures, ...], tuple[OverlapMeasures, ...]]:
    """Measure each split, and what the held-out ones share with those that a model has seen."""
    train, validation, test = (
        _fingerprinted(name, split)
        for name, split in (("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test))
    )
    splits = tuple(_split(split, classes=len(dataset.labels)) for split in (train, validation, test))
    overlaps = (_overlap(validation, train), _overlap(test, train, validation))
    return splits, overlaps


def _fingerprinted(name: str, split: Split) -> _Fingerprinted:
    # 128 bits of BLAKE2: no two of 10^12 different images are expected to share them.
    keys = [hashlib.blake2b(image, digest_size=16).digest() for image in np.ascontiguousarray(split.images)]
    positions: dict[bytes, int] = {}
    for position, key in enumerate(keys):
        positions.setdefault(key, position)
    return _Fingerprinted(name=name, split=split, keys=keys, positions=positions)


def _split(fingerprinted: _Fingerprinted, *, classes: int) -> SplitMeasures:
    split, images = fingerprinted.split, fingerprinted.split.images
    darkest, brightest = images.min(axis=(1, 2, 3)), images.max(axis=(1, 2, 3))
    maximum = int(brightest.max()) if len(images) else 0
    has_class = (split.labels >= 0) & (split.labels < classes)
    twins = [(position, fingerprinted.positions[key]) for position, key in enumerate(fingerprinted.keys)]
    duplicates = [(later, first) for later, first in twins if later != first]
    conflicts = [(later, first) for later, first in duplicates if split.labels[later] != split.labels[first]]
    return SplitMeasures(
        name=fingerprinted.name,
        array=_ARRAYS[fingerprinted.name],
        images=len(images),
        shape=images.shape[1:],
        dtype=str(images.dtype),
        minimum=int(images.min()) if len(images) else 0,
        maximum=maximum,
        mean=float(images.mean()) if len(images) else 0.0,
        class_counts=tuple(np.bincount(split.labels[has_class], minlength=classes).tolist()),
        blank=_rows(split, darkest == brightest),
        unscaled=_rows(split, (darkest < brightest) & (brightest == 1) & (maximum > 1)),
        unlabelled=_rows(split, ~has_class),
        duplicates=_pairs(split, duplicates),
        conflicts=_pairs(split, conflicts),
    )


def _overlap(held_out: _Fingerprinted, *seen: _Fingerprinted) -> OverlapMeasures:
    """Look each held-out image up in the first of the `seen` splits, which are of one array, that has it."""
    shared: list[tuple[int, int]] = []
    conflicts: list[tuple[int, int]] = []
    for position, key in enumerate(held_out.keys):
        partner = next((one for one in seen if key in one.positions), None)
        if partner is None:
            continue
        twin = partner.positions[key]
        pair = (held_out.split.source_row(position), partner.split.source_row(twin))
        shared.append(pair)
        if held_out.split.labels[position] != partner.split.labels[twin]:
            conflicts.append(pair)
    return OverlapMeasures(
        held_out=held_out.name,
        held_out_array=_ARRAYS[held_out.name],
        seen=" or ".join(one.name for one in seen),
        seen_array=_ARRAYS[seen[0].name],
        images=len(held_out.keys),
        shared=Pairs.of(shared),
        conflicts=Pairs.of(conflicts),
    )


def _rows(split: Split, mask: NDArray[np.bool_]) -> Rows:
    return Rows.of([split.source_row(position) for position in np.flatnonzero(mask).tolist()])


def _pairs(split: Split, positions: Sequence[tuple[int, int]]) -> Pairs:
    return Pairs.of((split.source_row(later), split.source_row(first)) for later, first in positions)
