"""Questions as Triton's gRPC messages, and the answers back. Shared by the blocking and the asyncio transport.

The raw messages of the V2 protocol are used, not `tritonclient.grpc.InferenceServerClient`: its InferInput and
InferResult copy what one assignment does here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from slipway import protocol as pb
from slipway.client._operations import (
    Infer,
    IsModelReady,
    IsServerReady,
    ListModels,
    ModelState,
    Operation,
    ReadConfig,
    ReadMetadata,
    TensorMetadata,
)
from slipway.client._options import NO_LIMIT_S
from slipway.client._tensors import InferResult
from slipway.client._transport_failures import FailureKind, TransportFailure, grpc_kind, plain_text
from slipway.contract import IMAGE, PROBABILITIES

__all__ = ["CALLS", "SERVICE", "GrpcCall", "decode", "encode", "rpc_failure"]

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


def encode(operation: Operation[Any], timeout_s: float) -> bytes:
    """Serialise an operation; `timeout_s` is the time left for it."""
    content: bytes = CALLS[type(operation)].encode(operation, timeout_s).SerializeToString()
    return content


def decode(operation: Operation[Any], content: bytes) -> Any:  # noqa: ANN401 - the operation's type names it
    """Read the serialised answer to an operation, or a TransportFailure where it makes no sense."""
    call = CALLS[type(operation)]
    if len(content) > operation.max_response_bytes:
        text = f"expected an answer of at most {operation.max_response_bytes} bytes, got {len(content)}"
        return TransportFailure(kind=FailureKind.FAILED, text=text)
    try:
        response = call.response.FromString(content)
    except (DecodeError, ValueError) as exc:  # ValueError: a text that is no UTF-8
        name = call.response.DESCRIPTOR.name
        return TransportFailure(kind=FailureKind.FAILED, text=f"expected a {name}, got {content[:40]!r}", cause=exc)
    return call.decode(operation, response)


def _infer_request(operation: Infer, timeout_s: float) -> pb.Message:
    images = operation.images
    request = pb.ModelInferRequest(model_name=operation.model, model_version=operation.version)
    request.inputs.add(name=IMAGE, datatype="UINT8", shape=images.shape)
    request.raw_input_contents.append(images.tobytes())
    # Read only by a model whose queue policy allows it: the server then drops what nobody waits for any more.
    if timeout_s < NO_LIMIT_S:
        request.parameters["timeout"].int64_param = max(1, int(timeout_s * 1e6))
    return request


def _inferred(operation: Infer, response: pb.Message) -> InferResult | TransportFailure:
    for output, content in zip(response.outputs, response.raw_output_contents, strict=False):
        if output.name == PROBABILITIES and output.datatype == "FP32":
            return InferResult.from_wire(
                content,
                shape=tuple(output.shape),
                images=len(operation.images),
                model_version=response.model_version,
            )
    got = [f"{output.name} {output.datatype}" for output in response.outputs[:5]]
    return TransportFailure(
        kind=FailureKind.FAILED, text=f"expected an output {PROBABILITIES} FP32 in raw bytes, got {got}"
    )


def _model_states(_: ListModels, response: pb.Message) -> tuple[ModelState, ...]:
    return tuple(ModelState(line.name, line.version, line.state, line.reason) for line in response.models)


def _metadata(_: ReadMetadata, response: pb.Message) -> tuple[tuple[TensorMetadata, ...], tuple[TensorMetadata, ...]]:
    def read(tensors: pb.Message) -> tuple[TensorMetadata, ...]:
        return tuple(TensorMetadata(line.name, line.datatype, tuple(line.shape)) for line in tensors)

    return read(response.inputs), read(response.outputs)


CALLS: dict[type[Operation[Any]], GrpcCall] = {
    Infer: GrpcCall(method="ModelInfer", encode=_infer_request, response=pb.ModelInferResponse, decode=_inferred),
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
