"""Questions as HTTP requests of the V2 protocol with its binary tensor extension, and the answers back.

Shared by the blocking and the asyncio transport.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from google.protobuf import json_format
from tritonclient.grpc import model_config_pb2 as pb

from slipway.client._faults import Fault, FaultKind, http_kind, plain_text
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

__all__ = ["HttpRequest", "HttpResponse", "decode", "encode"]

_HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request; `path` is relative to the server's URL."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One response, read to its end. Names in `headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _HttpCall:
    encode: Callable[[Any, float], HttpRequest]
    decode: Callable[[Any, HttpResponse], Any]


def encode(question: Question[Any], timeout_s: float) -> HttpRequest:
    """Write a question; `timeout_s` is the time left for it."""
    return _CALLS[type(question)].encode(question, timeout_s)


def decode(question: Question[Any], response: HttpResponse) -> Any:  # noqa: ANN401 - the question's type names it
    """Read the answer to a question, or a Fault where the server refused or makes no sense."""
    try:
        return _CALLS[type(question)].decode(question, response)
    except (ValueError, KeyError, TypeError, AttributeError, json_format.ParseError) as exc:
        start = response.body[:80].decode(errors="replace")
        return Fault(
            kind=FaultKind.FAILED,
            text=f"expected an answer of the V2 protocol, got {start!r}",
            status=str(response.status),
            cause=exc,
        )


def _model_path(model: str, version: str) -> str:
    path = f"/v2/models/{quote(model, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path


def _infer_request(question: Infer, timeout_s: float) -> HttpRequest:
    pixels = question.images.tobytes()
    tensor = {"name": IMAGE, "datatype": "UINT8", "shape": question.images.shape}
    header = json.dumps(
        {
            "inputs": [{**tensor, "parameters": {"binary_data_size": len(pixels)}}],
            # Read only by a model whose queue policy allows it: the server then drops what nobody waits for any more.
            "parameters": {"binary_data_output": True, "timeout": max(1, int(timeout_s * 1e6))},
        }
    ).encode()
    return HttpRequest(
        method="POST",
        path=f"{_model_path(question.model, question.version)}/infer",
        headers={_HEADER_LENGTH: str(len(header)), "Content-Type": "application/octet-stream"},
        content=header + pixels,
    )


def _inferred(question: Infer, response: HttpResponse) -> Inferred | Fault:
    if response.status != 200:
        return _refusal(response)
    length = int(response.headers.get(_HEADER_LENGTH, len(response.body)))
    header = json.loads(response.body[:length])
    offset = length
    for output in header["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size", 0)
        if output["name"] == PROBABILITIES and output["datatype"] == "FP32":
            return Inferred.from_wire(
                response.body[offset : offset + size],
                shape=tuple(output["shape"]),
                images=len(question.images),
                model_version=str(header["model_version"]),
            )
        offset += size
    got = [f"{output['name']} {output['datatype']}" for output in header["outputs"]]
    return Fault(kind=FaultKind.FAILED, text=f"expected an output {PROBABILITIES} FP32, got {got}")


def _config(_: ReadConfig, response: HttpResponse) -> pb.ModelConfig | Fault:
    if response.status != 200:
        return _refusal(response)
    return json_format.ParseDict(json.loads(response.body), pb.ModelConfig(), ignore_unknown_fields=True)


def _is_ready(_: object, response: HttpResponse) -> bool | Fault:
    # Triton says "not ready" with 400, and so does it for a version that is no number.
    return response.status == 200 if response.status in (200, 400) else _refusal(response)


def _model_states(_: ListModels, response: HttpResponse) -> tuple[ModelState, ...] | Fault:
    if response.status != 200:
        return _refusal(response)
    return tuple(
        ModelState(line["name"], line.get("version", ""), line.get("state", ""), line.get("reason", ""))
        for line in json.loads(response.body)
    )


def _refusal(response: HttpResponse) -> Fault:
    text = response.body.decode(errors="replace").strip()
    if text.startswith("{"):
        text = str(json.loads(text).get("error", text))
    retry_after = response.headers.get("Retry-After", "")
    return Fault(
        kind=http_kind(response.status, text),
        text=plain_text(text[:500]) or f"HTTP status {response.status}",
        status=str(response.status),
        retry_after_s=float(retry_after) if retry_after.isdecimal() else 0.0,
    )


_CALLS: dict[type[Question[Any]], _HttpCall] = {
    Infer: _HttpCall(encode=_infer_request, decode=_inferred),
    ReadConfig: _HttpCall(
        encode=lambda question, _: HttpRequest(
            method="GET", path=f"{_model_path(question.model, question.version)}/config"
        ),
        decode=_config,
    ),
    IsModelReady: _HttpCall(
        encode=lambda question, _: HttpRequest(
            method="GET", path=f"{_model_path(question.model, question.version)}/ready"
        ),
        decode=_is_ready,
    ),
    IsServerReady: _HttpCall(encode=lambda *_: HttpRequest(method="GET", path="/v2/health/ready"), decode=_is_ready),
    ListModels: _HttpCall(
        encode=lambda *_: HttpRequest(method="POST", path="/v2/repository/index"), decode=_model_states
    ),
}
