"""The control operations as Triton's gRPC messages, and its errors: all requests besides predictions.

`grpc_transport` has the prediction itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slipway import protocol as pb
from slipway.client._operations import (
    IsModelReady,
    IsServerReady,
    ListModels,
    ModelState,
    Operation,
    ReadConfig,
    ReadMetadata,
    TensorMetadata,
)
from slipway.client._transport_failures import FailureKind, TransportFailure, grpc_kind, plain_text

__all__ = ["CONTROL_CALLS", "SERVICE", "GrpcCall", "rpc_failure"]

SERVICE = "/inference.GRPCInferenceService"
"""In front of each procedure's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcCall:
    """How one kind of operation travels.

    Attributes:
        method: The remote procedure.
        encode: From the operation and the time left, in seconds, to the request.
        response: The class of the response.
        decode: From the operation and the response to the result; a TransportFailure for a malformed response.
    """

    method: str
    encode: Callable[[Any, float], pb.Message]
    response: pb.Message
    decode: Callable[[Any, pb.Message], Any]


def _model_states(_: ListModels, response: pb.Message) -> tuple[ModelState, ...]:
    return tuple(ModelState(line.name, line.version, line.state, line.reason) for line in response.models)


def _metadata(_: ReadMetadata, response: pb.Message) -> tuple[tuple[TensorMetadata, ...], tuple[TensorMetadata, ...]]:
    def read(tensors: pb.Message) -> tuple[TensorMetadata, ...]:
        return tuple(TensorMetadata(line.name, line.datatype, tuple(line.shape)) for line in tensors)

    return read(response.inputs), read(response.outputs)


CONTROL_CALLS: dict[type[Operation[Any]], GrpcCall] = {
    ReadConfig: GrpcCall(
        method="ModelConfig",
        encode=lambda operation, _: pb.ModelConfigRequest(name=operation.model, version=operation.version),
        response=pb.ModelConfigResponse,
        decode=lambda _, response: response.config,
    ),
    ReadMetadata: GrpcCall(
        method="ModelMetadata",
        encode=lambda operation, _: pb.ModelMetadataRequest(name=operation.model, version=operation.version),
        response=pb.ModelMetadataResponse,
        decode=_metadata,
    ),
    IsModelReady: GrpcCall(
        method="ModelReady",
        encode=lambda operation, _: pb.ModelReadyRequest(name=operation.model, version=operation.version),
        response=pb.ModelReadyResponse,
        decode=lambda _, response: bool(response.ready),
    ),
    IsServerReady: GrpcCall(
        method="ServerReady",
        encode=lambda *_: pb.ServerReadyRequest(),
        response=pb.ServerReadyResponse,
        decode=lambda _, response: bool(response.ready),
    ),
    ListModels: GrpcCall(
        method="RepositoryIndex",
        encode=lambda *_: pb.RepositoryIndexRequest(),
        response=pb.RepositoryIndexResponse,
        decode=_model_states,
    ),
}


def rpc_failure(exc: Any) -> TransportFailure:  # noqa: ANN401 - grpc.RpcError declares none of the methods that every instance has
    """Translate a `grpc.RpcError`, blocking or asyncio."""
    status, text = exc.code().name, exc.details() or ""
    kind = grpc_kind(status, text)
    text = "waiting for the response" if kind is FailureKind.DEADLINE else plain_text(text)
    return TransportFailure(kind=kind, text=text, status=status, cause=exc)
