"""The control operations as HTTP requests of the V2 protocol, and the responses back: all but the prediction itself.

`http_transport` has the prediction, with the binary tensor extension.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from google.protobuf import json_format

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
from slipway.client._transport_failures import TransportFailure
from slipway.client._transports.http_failures import error_response, error_text, unexpected_response
from slipway.client._transports.http_messages import HttpRequest, HttpResponse

__all__ = ["CONTROL_CALLS", "HttpCall", "model_path"]

_CONFIG_FIELDS = ("name", "input", "output", "max_batch_size", "maxBatchSize", "parameters")
_LABELS = "labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """How one kind of operation travels: to the request (with the time left, in seconds), and from the response."""

    encode: Callable[[Any, float], HttpRequest]
    decode: Callable[[Any, HttpResponse], Any]


def model_path(model: str, version: str) -> str:
    """Return the path of a model; `version` is empty for the server's choice."""
    path = f"/v2/models/{quote(model, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path


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


CONTROL_CALLS: dict[type[Operation[Any]], HttpCall] = {
    ReadConfig: HttpCall(
        encode=lambda operation, _: HttpRequest(
            method="GET", path=f"{model_path(operation.model, operation.version)}/config"
        ),
        decode=_config,
    ),
    ReadMetadata: HttpCall(
        encode=lambda operation, _: HttpRequest(method="GET", path=model_path(operation.model, operation.version)),
        decode=_metadata,
    ),
    IsModelReady: HttpCall(
        encode=lambda operation, _: HttpRequest(
            method="GET", path=f"{model_path(operation.model, operation.version)}/ready"
        ),
        decode=_is_ready,
    ),
    IsServerReady: HttpCall(encode=lambda *_: HttpRequest(method="GET", path="/v2/health/ready"), decode=_is_ready),
    ListModels: HttpCall(
        encode=lambda *_: HttpRequest(method="POST", path="/v2/repository/index"), decode=_model_states
    ),
}
