"""The operations of a server, independent of the protocol.

Each operation names the type of its result; a transport returns that, or a `TransportFailure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from slipway import protocol as pb
from slipway.client._prediction import Pixels
from slipway.client._tensors import InferResult

__all__ = [
    "Infer",
    "IsModelReady",
    "IsServerReady",
    "ListModels",
    "ModelState",
    "Operation",
    "ReadConfig",
    "ReadMetadata",
    "Target",
    "TensorMetadata",
]

Result_co = TypeVar("Result_co", covariant=True)

_SLACK_BYTES = 1 << 16  # for names, headers and parameters around the content
_LONGEST_TEXT_BYTES = 16 << 20
_LONGEST_PROBABILITIES_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The model that a client asks.

    Attributes:
        model: Its name.
        version: The requested version; empty: the server's choice.
        subject: Model and URL, the prefix of every message.
    """

    model: str
    version: str
    subject: str


class Operation(Generic[Result_co]):
    """Base of every operation; the type argument is the result's."""

    __slots__ = ()

    @property
    def max_response_bytes(self) -> int:
        """A longer response is rejected before it is read completely."""
        return _LONGEST_TEXT_BYTES


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
