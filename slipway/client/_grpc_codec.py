"""Questions as Triton's gRPC messages, and the answers back. Shared by the blocking and the asyncio transport.

The raw messages of the V2 protocol are used, not `tritonclient.grpc.InferenceServerClient`: its InferInput and
InferResult copy what one assignment does here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import service_pb2 as pb

from slipway.client._faults import Fault, FaultKind, grpc_kind, plain_text
from slipway.client._questions import (
    Infer,
    Inferred,
    IsModelReady,
    IsServerReady,
    ListModels,
    ModelState,
    Question,
    ReadConfig,
)
from slipway.contract import IMAGE, PROBABILITIES

__all__ = ["CALLS", "GrpcCall", "fault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcCall:
    """How one kind of question travels.

    Attributes:
        method: The remote procedure.
        encode: From the question and the time left, in seconds, to the request.
        decode: From the question and the response to the answer, or a Fault where the response makes no sense.
    """

    method: str
    encode: Callable[[Any, float], Any]
    decode: Callable[[Any, Any], Any]


def _infer_request(question: Infer, timeout_s: float) -> pb.ModelInferRequest:
    images = question.images
    request = pb.ModelInferRequest(model_name=question.model, model_version=question.version)
    request.inputs.add(name=IMAGE, datatype="UINT8", shape=images.shape)
    request.raw_input_contents.append(images.tobytes())
    # Read only by a model whose queue policy allows it: the server then drops what nobody waits for any more.
    request.parameters["timeout"].int64_param = max(1, int(timeout_s * 1e6))
    return request


def _inferred(question: Infer, response: pb.ModelInferResponse) -> Inferred | Fault:
    for output, content in zip(response.outputs, response.raw_output_contents, strict=False):
        if output.name == PROBABILITIES and output.datatype == "FP32":
            return Inferred.from_wire(
                content,
                shape=tuple(output.shape),
                images=len(question.images),
                model_version=response.model_version,
            )
    got = [f"{output.name} {output.datatype}" for output in response.outputs]
    return Fault(kind=FaultKind.FAILED, text=f"expected an output {PROBABILITIES} FP32 in raw bytes, got {got}")


def _model_states(_: ListModels, response: pb.RepositoryIndexResponse) -> tuple[ModelState, ...]:
    return tuple(ModelState(line.name, line.version, line.state, line.reason) for line in response.models)


CALLS: dict[type[Question[Any]], GrpcCall] = {
    Infer: GrpcCall(method="ModelInfer", encode=_infer_request, decode=_inferred),
    ReadConfig: GrpcCall(
        method="ModelConfig",
        encode=lambda question, _: pb.ModelConfigRequest(name=question.model, version=question.version),
        decode=lambda _, response: response.config,
    ),
    IsModelReady: GrpcCall(
        method="ModelReady",
        encode=lambda question, _: pb.ModelReadyRequest(name=question.model, version=question.version),
        decode=lambda _, response: bool(response.ready),
    ),
    IsServerReady: GrpcCall(
        method="ServerReady",
        encode=lambda *_: pb.ServerReadyRequest(),
        decode=lambda _, response: bool(response.ready),
    ),
    ListModels: GrpcCall(method="RepositoryIndex", encode=lambda *_: pb.RepositoryIndexRequest(), decode=_model_states),
}


def fault(exc: Any) -> Fault:  # noqa: ANN401 - grpc.RpcError declares none of the methods that every instance has
    """Translate a `grpc.RpcError`, blocking or asyncio."""
    status, text = exc.code().name, exc.details() or ""
    kind = grpc_kind(status, text)
    text = "still waiting for it" if kind is FaultKind.DEADLINE else plain_text(text)
    return Fault(kind=kind, text=text, status=status, cause=exc)
