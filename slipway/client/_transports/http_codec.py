"""Operations as HTTP requests of the V2 protocol with its binary tensor extension, and the responses back.

Shared by the blocking and the asyncio transport.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from google.protobuf import json_format

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
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.client._transports.http_messages import (
    BodyUnreadable,
    HttpRequest,
    HttpResponse,
    decompressed,
    describe_response,
    error_response,
    error_text,
    redirect_response,
    unexpected_response,
)
from slipway.contract import IMAGE, PROBABILITIES

__all__ = ["decode", "encode"]

_HEADER_LENGTH = "Inference-Header-Content-Length"
_CONFIG_FIELDS = ("name", "input", "output", "max_batch_size", "maxBatchSize", "parameters")
_LABELS = "labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class _HttpCall:
    encode: Callable[[Any, float], HttpRequest]
    decode: Callable[[Any, HttpResponse], Any]


def encode(operation: Operation[Any], timeout_s: float) -> HttpRequest:
    """Encode an operation; `timeout_s` is the time left for it."""
    return _CALLS[type(operation)].encode(operation, timeout_s)


def decode(operation: Operation[Any], response: HttpResponse) -> Any:  # noqa: ANN401 - the operation's type names it
    """Decode the result of an operation; a `TransportFailure` for an error or an unexpected response."""
    try:
        body = decompressed(response.headers, response.body, limit=operation.max_response_bytes)
        response = replace(response, body=body)
        if 300 <= response.status < 400:
            return redirect_response(response)
        return _CALLS[type(operation)].decode(operation, response)
    except BodyUnreadable as exc:
        came = describe_response(response.status, response.headers, b"")
        return TransportFailure(kind=FailureKind.NOT_V2, text=f"{exc}, {came}", status=str(response.status))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, json_format.ParseError) as exc:
        return unexpected_response(response, cause=exc)


def _model_path(model: str, version: str) -> str:
    path = f"/v2/models/{quote(model, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path


def _infer_request(operation: Infer, timeout_s: float) -> HttpRequest:
    pixels = operation.images.tobytes()
    tensor = {"name": IMAGE, "datatype": "UINT8", "shape": operation.images.shape}
    parameters: dict[str, bool | int] = {"binary_data_output": True}
    if timeout_s < NO_LIMIT_S:
        # Read only by a model whose queue policy allows it: the server then drops a request whose caller has given up.
        parameters["timeout"] = max(1, int(timeout_s * 1e6))
    inputs = [{**tensor, "parameters": {"binary_data_size": len(pixels)}}]
    header = json.dumps({"inputs": inputs, "parameters": parameters}).encode()
    return HttpRequest(
        method="POST",
        path=f"{_model_path(operation.model, operation.version)}/infer",
        headers={_HEADER_LENGTH: str(len(header)), "Content-Type": "application/octet-stream"},
        content=header + pixels,
    )


def _inferred(operation: Infer, response: HttpResponse) -> InferResult | TransportFailure:
    if response.status != 200:
        return error_response(response)
    length = int(response.headers.get(_HEADER_LENGTH.lower(), len(response.body)))
    header = json.loads(response.body[: max(0, length)])
    offset = length
    for output in header["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size", 0)
        if output["name"] == PROBABILITIES and output["datatype"] == "FP32":
            return InferResult.from_wire(
                response.body[offset : offset + size],
                shape=tuple(int(length) for length in output["shape"]),
                images=len(operation.images),
                model_version=str(header.get("model_version", "")),
            )
        offset += size
    got = [f"{output['name']} {output['datatype']}" for output in header["outputs"][:5]]
    return TransportFailure(kind=FailureKind.FAILED, text=f"expected an output {PROBABILITIES} FP32, got {got}")


def _config(_: ReadConfig, response: HttpResponse) -> pb.Message | TransportFailure:
    if response.status != 200:
        return error_response(response)
    config = json.loads(response.body)
    # The other fields describe how the model is served; a hostile configuration would be slow to parse.
    known = {name: config[name] for name in _CONFIG_FIELDS if name in config}
    known["parameters"] = {_LABELS: config["parameters"][_LABELS]} if _LABELS in config.get("parameters", {}) else {}
    for name in ("input", "output"):
        known[name] = [_tensor(line) for line in known.get(name, [])[:8]]
    return json_format.ParseDict(known, pb.ModelConfig(), ignore_unknown_fields=True)


def _tensor(line: dict[str, Any]) -> dict[str, Any]:
    data_type = line.get("data_type", line.get("dataType", 0))  # protobuf's two spellings in JSON
    return {"name": line["name"], "data_type": data_type, "dims": line["dims"][:8]}


def _metadata(
    _: ReadMetadata, response: HttpResponse
) -> tuple[tuple[TensorMetadata, ...], tuple[TensorMetadata, ...]] | TransportFailure:
    if response.status != 200:
        return error_response(response)
    document = json.loads(response.body)

    def read(lines: list[dict[str, Any]]) -> tuple[TensorMetadata, ...]:
        return tuple(
            TensorMetadata(str(line["name"]), str(line["datatype"]), tuple(int(size) for size in line["shape"][:8]))
            for line in lines[:8]
        )

    return read(document["inputs"]), read(document["outputs"])


def _is_ready(_: object, response: HttpResponse) -> bool | TransportFailure:
    # Triton sends 400 for "not ready", and for a version that is not a number.
    if response.status == 200:
        return _ready_of_body(response)
    if response.status == 400 and (not response.body.strip() or error_text(response.body) is not None):
        return False
    return error_response(response)


def _ready_of_body(response: HttpResponse) -> bool | TransportFailure:
    """Triton sends an empty body, other servers a JSON object; anything else, such as an HTML page, is unexpected."""
    if not response.body.strip():
        return True
    document = json.loads(response.body)
    if isinstance(document, dict):
        return document.get("ready", True) is not False
    return unexpected_response(response)


def _model_states(_: ListModels, response: HttpResponse) -> tuple[ModelState, ...] | TransportFailure:
    if response.status != 200:
        return error_response(response)
    return tuple(
        ModelState(
            str(line["name"]), str(line.get("version", "")), str(line.get("state", "")), str(line.get("reason", ""))
        )
        for line in json.loads(response.body)
    )


_CALLS: dict[type[Operation[Any]], _HttpCall] = {
    Infer: _HttpCall(encode=_infer_request, decode=_inferred),
    ReadConfig: _HttpCall(
        encode=lambda operation, _: HttpRequest(
            method="GET", path=f"{_model_path(operation.model, operation.version)}/config"
        ),
        decode=_config,
    ),
    ReadMetadata: _HttpCall(
        encode=lambda operation, _: HttpRequest(method="GET", path=_model_path(operation.model, operation.version)),
        decode=_metadata,
    ),
    IsModelReady: _HttpCall(
        encode=lambda operation, _: HttpRequest(
            method="GET", path=f"{_model_path(operation.model, operation.version)}/ready"
        ),
        decode=_is_ready,
    ),
    IsServerReady: _HttpCall(encode=lambda *_: HttpRequest(method="GET", path="/v2/health/ready"), decode=_is_ready),
    ListModels: _HttpCall(
        encode=lambda *_: HttpRequest(method="POST", path="/v2/repository/index"), decode=_model_states
    ),
}
