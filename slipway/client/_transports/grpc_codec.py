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
from slipway.client._faults import Fault, FaultKind, grpc_kind, plain_text
from slipway.client._options import NO_LIMIT_S
from slipway.client._questions import (
    Infer,
    Inferred,
    IsModelReady,
    IsServerReady,
    ListModels,
    ModelState,
    Question,
    ReadConfig,
    ReadMetadata,
    TensorMetadata,
)
from slipway.contract import IMAGE, PROBABILITIES

__all__ = ["CALLS", "SERVICE", "GrpcCall", "decode", "encode", "fault"]

SERVICE = "/inference.GRPCInferenceService"
"""In front of each procedure's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcCall:
    """How one kind of question travels.

    Attributes:
        method: The remote procedure.
        encode: From the question and the time left, in seconds, to the request.
        response: The class of the response.
        decode: From the question and the response to the answer, or a Fault where the response makes no sense.
    """

    method: str
    encode: Callable[[Any, float], pb.Message]
    response: pb.Message
    decode: Callable[[Any, pb.Message], Any]


def encode(question: Question[Any], timeout_s: float) -> bytes:
    """Serialise a question; `timeout_s` is the time left for it."""
    content: bytes = CALLS[type(question)].encode(question, timeout_s).SerializeToString()
    return content


def decode(question: Question[Any], content: bytes) -> Any:  # noqa: ANN401 - the question's type names it
    """Read the serialised answer to a question, or a Fault where it makes no sense."""
    call = CALLS[type(question)]
    if len(content) > question.max_answer_bytes:
        text = f"expected an answer of at most {question.max_answer_bytes} bytes, got {len(content)}"
        return Fault(kind=FaultKind.FAILED, text=text)
    try:
        response = call.response.FromString(content)
    except (DecodeError, ValueError) as exc:  # ValueError: a text that is no UTF-8
        name = call.response.DESCRIPTOR.name
        return Fault(kind=FaultKind.FAILED, text=f"expected a {name}, got {content[:40]!r}", cause=exc)
    return call.decode(question, response)


def _infer_request(question: Infer, timeout_s: float) -> pb.Message:
    images = question.images
    request = pb.ModelInferRequest(model_name=question.model, model_version=question.version)
    request.inputs.add(name=IMAGE, datatype="UINT8", shape=images.shape)
    request.raw_input_contents.append(images.tobytes())
    # Read only by a model whose queue policy allows it: the server then drops what nobody waits for any more.
    if timeout_s < NO_LIMIT_S:
        request.parameters["timeout"].int64_param = max(1, int(timeout_s * 1e6))
    return request


def _inferred(question: Infer, response: pb.Message) -> Inferred | Fault:
    for output, content in zip(response.outputs, response.raw_output_contents, strict=False):
        if output.name == PROBABILITIES and output.datatype == "FP32":
            return Inferred.from_wire(
                content,
                shape=tuple(output.shape),
                images=len(question.images),
                model_version=response.model_version,
            )
    got = [f"{output.name} {output.datatype}" for output in response.outputs[:5]]
    return Fault(kind=FaultKind.FAILED, text=f"expected an output {PROBABILITIES} FP32 in raw bytes, got {got}")


def _model_states(_: ListModels, response: pb.Message) -> tuple[ModelState, ...]:
    return tuple(ModelState(line.name, line.version, line.state, line.reason) for line in response.models)


def _metadata(_: ReadMetadata, response: pb.Message) -> tuple[tuple[TensorMetadata, ...], tuple[TensorMetadata, ...]]:
    def read(tensors: pb.Message) -> tuple[TensorMetadata, ...]:
        return tuple(TensorMetadata(line.name, line.datatype, tuple(line.shape)) for line in tensors)

    return read(response.inputs), read(response.outputs)


CALLS: dict[type[Question[Any]], GrpcCall] = {
    Infer: GrpcCall(method="ModelInfer", encode=_infer_request, response=pb.ModelInferResponse, decode=_inferred),
    ReadConfig: GrpcCall(
        method="ModelConfig",
        encode=lambda question, _: pb.ModelConfigRequest(name=question.model, version=question.version),
        response=pb.ModelConfigResponse,
        decode=lambda _, response: response.config,
    ),
    ReadMetadata: GrpcCall(
        method="ModelMetadata",
        encode=lambda question, _: pb.ModelMetadataRequest(name=question.model, version=question.version),
        response=pb.ModelMetadataResponse,
        decode=_metadata,
    ),
    IsModelReady: GrpcCall(
        method="ModelReady",
        encode=lambda question, _: pb.ModelReadyRequest(name=question.model, version=question.version),
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


def fault(exc: Any) -> Fault:  # noqa: ANN401 - grpc.RpcError declares none of the methods that every instance has
    """Translate a `grpc.RpcError`, blocking or asyncio."""
    status, text = exc.code().name, exc.details() or ""
    kind = grpc_kind(status, text)
    text = "still waiting for it" if kind is FaultKind.DEADLINE else plain_text(text)
    return Fault(kind=kind, text=text, status=status, cause=exc)
