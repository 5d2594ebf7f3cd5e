"""The contract of a served classifier: its inputs, outputs and labels. Imports the standard library only.

    contract = ModelContract(name="mnist", image_shape=(28, 28, 1), labels=tuple("0123456789"), max_batch_size=16)
    contract.image.dims          # (28, 28, 1)
    contract.probabilities.dims  # (10,)

The names of the tensors are defined only here.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

__all__ = [
    "IMAGE",
    "LARGEST_IMAGE_BYTES",
    "LONGEST_LABEL",
    "MOST_LABELS",
    "PROBABILITIES",
    "Background",
    "ModelContract",
    "TensorSpec",
]

IMAGE = "image"
"""Name of the one input tensor: raw pixels, UINT8, `[batch, height, width, channels]`."""

PROBABILITIES = "probabilities"
"""Name of the one output tensor: FP32, `[batch, labels]`; each row sums to 1."""

Background: TypeAlias = Literal["dark", "light"]

MOST_LABELS = 1_000_000
"""Limit of a contract; more is rejected before anything is allocated."""

LONGEST_LABEL = 1_000
"""Longest label, in characters."""

LARGEST_IMAGE_BYTES = 1 << 26
"""Height times width times channels of one image: for example 4,700 x 4,700 in three channels."""

_MODEL_NAME = re.compile(r"[a-z0-9]([-a-z0-9_]*[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One input or output tensor of the model. `dims` excludes the batch axis."""

    name: str
    dtype: Literal["UINT8", "FP32"]
    dims: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelContract:
    """The contract of one image classifier.

    Attributes:
        name: Triton's model name; the folder below the model repository.
        image_shape: `(height, width, channels)` of one image, channels last.
        labels: One name per class, in the order of the probabilities.
        max_batch_size: Largest number of images in a request, at least 1.
        background: Background of the training images: "dark" for light ink on dark, as in MNIST; "light" for ink on
            paper; None if unspecified, as for photographs.
    """

    name: str
    image_shape: tuple[int, int, int]
    labels: tuple[str, ...]
    max_batch_size: int
    background: Background | None = None

    def __post_init__(self) -> None:
        if not _MODEL_NAME.fullmatch(self.name):
            raise ValueError(
                f"model name: expected lower-case letters and digits, with '-' and '_' inside, got {self.name!r}"
            )
        if len(self.image_shape) != 3 or min(self.image_shape) < 1:
            raise ValueError(f"image_shape: expected (height, width, channels), each >= 1, got {self.image_shape}")
        if math.prod(self.image_shape) > LARGEST_IMAGE_BYTES:
            raise ValueError(
                f"image_shape: expected at most {LARGEST_IMAGE_BYTES:,} values of an image, got {self.image_shape}"
            )
        if len(self.labels) > MOST_LABELS:
            raise ValueError(f"labels: expected at most {MOST_LABELS:,}, got {len(self.labels):,}")
        if any(not 0 < len(label) <= LONGEST_LABEL for label in self.labels):
            raise ValueError(f"labels: expected 1 to {LONGEST_LABEL:,} characters each, got an empty or a longer one")
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels: expected at least two different names, got {list(self.labels)}")
        if self.max_batch_size < 1:
            raise ValueError(f"max_batch_size: expected >= 1, got {self.max_batch_size}")
        if self.background not in (None, *get_args(Background)):
            raise ValueError(f"background: expected dark, light or None, got {self.background!r}")

    @property
    def image(self) -> TensorSpec:
        """The input: raw pixels, 0 to 255; scaling is inside the model."""
        return TensorSpec(name=IMAGE, dtype="UINT8", dims=self.image_shape)

    @property
    def probabilities(self) -> TensorSpec:
        """The output: one probability per label."""
        return TensorSpec(name=PROBABILITIES, dtype="FP32", dims=(len(self.labels),))
