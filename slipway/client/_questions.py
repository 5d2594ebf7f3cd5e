"""What a client can ask a server, in no protocol's words.

Each question names the type of its answer; a transport returns that, or a `Fault`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from tritonclient.grpc import model_config_pb2 as pb

from slipway.client._faults import Fault, FaultKind
from slipway.client._prediction import Pixels, Probabilities
from slipway.contract import PROBABILITIES

__all__ = [
    "Infer",
    "Inferred",
    "IsModelReady",
    "IsServerReady",
    "ListModels",
    "ModelState",
    "Question",
    "ReadConfig",
]

Answer_co = TypeVar("Answer_co", covariant=True)


class Question(Generic[Answer_co]):
    """Base of every question; the type argument is the answer's."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Inferred:
    """Probabilities, float32, shape (n, classes), and the version of the model that gave them."""

    probabilities: Probabilities
    model_version: str

    @classmethod
    def from_wire(cls, content: bytes, *, shape: tuple[int, ...], images: int, model_version: str) -> Inferred | Fault:
        """Read little-endian float32 without a copy, or say why these bytes are no answer for so many images."""
        if len(shape) != 2 or shape[0] != images or len(content) != 4 * shape[0] * shape[1]:
            return Fault(
                kind=FaultKind.FAILED,
                text=f"expected {PROBABILITIES} FP32 [{images}, labels] and all its bytes, "
                f"got {list(shape)} in {len(content)} bytes",
            )
        return cls(np.frombuffer(content, "<f4").reshape(shape), model_version)


@dataclass(frozen=True, slots=True)
class ModelState:
    """One line of the server's list; `version` and `state` are empty for a model that was never loaded."""

    name: str
    version: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Infer(Question[Inferred]):
    """Classify `images`, uint8 (n, height, width, channels); `version` is empty for the server's choice."""

    model: str
    version: str
    images: Pixels


@dataclass(frozen=True, slots=True)
class ReadConfig(Question[pb.ModelConfig]):
    """The model's configuration, with which the contract travels."""

    model: str
    version: str


@dataclass(frozen=True, slots=True)
class IsModelReady(Question[bool]):
    """Whether the model answers now."""

    model: str
    version: str


@dataclass(frozen=True, slots=True)
class IsServerReady(Question[bool]):
    """Whether the server counts itself ready: one broken model says no for all."""


@dataclass(frozen=True, slots=True)
class ListModels(Question[tuple[ModelState, ...]]):
    """Every model of the server's repository, with the state of each version."""
