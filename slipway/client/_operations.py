"""The operations of a server, independent of the protocol.

Each operation names the type of its result; a transport returns that, or a `TransportFailure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from slipway import protocol as pb
from slipway.client._prediction import Pixels, Probabilities
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.contract import PROBABILITIES

__all__ = [
    "Infer",
    "InferResult",
    "IsModelReady",
    "IsServerReady",
    "ListModels",
    "ModelState",
    "Operation",
    "ReadConfig",
    "ReadMetadata",
    "TensorMetadata",
]

Result_co = TypeVar("Result_co", covariant=True)


_SLACK_BYTES = 1 << 16  # for names, headers and parameters around the content
_LONGEST_TEXT_BYTES = 16 << 20
_LONGEST_PROBABILITIES_BYTES = 64 << 20


class Operation(Generic[Result_co]):
    """Base of every operation; the type argument is the result's."""

    __slots__ = ()

    @property
    def max_response_bytes(self) -> int:
        """A longer response is rejected before it is read completely."""
        return _LONGEST_TEXT_BYTES


_SUM_TOLERANCE = 1e-3
_FEW_NUMBERS = 256  # up to this many, summing in Python is faster than in NumPy


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


@dataclass(frozen=True, slots=True)
class ModelState:
    """One line of the server's list; `version` and `state` are empty for a model that was never loaded."""

    name: str
    version: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Infer(Operation[InferResult]):
    """Classify `images`, uint8 (n, height, width, channels); `version` is empty for the server's choice."""

    model: str
    version: str
    images: Pixels
    classes: int | None = None

    @property
    def max_response_bytes(self) -> int:
        """The size of the result, where the number of classes is known."""
        if self.classes is None:
            return _LONGEST_PROBABILITIES_BYTES
        return 4 * self.classes * len(self.images) + _SLACK_BYTES


@dataclass(frozen=True, slots=True)
class ReadConfig(Operation[pb.Message]):
    """The model's configuration (`ModelConfig`), which carries the contract. A Triton extension."""

    model: str
    version: str


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """One tensor of the V2 metadata; `shape` has the batch axis, -1 is any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReadMetadata(Operation[tuple[tuple[TensorMetadata, ...], tuple[TensorMetadata, ...]]]):
    """The model's inputs and outputs, for a server without `ReadConfig`."""

    model: str
    version: str


@dataclass(frozen=True, slots=True)
class IsModelReady(Operation[bool]):
    """Whether the model is ready."""

    model: str
    version: str


@dataclass(frozen=True, slots=True)
class IsServerReady(Operation[bool]):
    """Whether the server reports itself ready: one broken model makes it not ready."""


@dataclass(frozen=True, slots=True)
class ListModels(Operation[tuple[ModelState, ...]]):
    """All models of the server's repository, with the state of each version."""
