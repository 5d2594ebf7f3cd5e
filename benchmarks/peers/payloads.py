"""Requests in the words of each server, and its answers as arrays.

    payload = V2Binary().encode(images)                 # path, headers, body
    V2Binary().decode(answer_headers, answer_body)      # float32 [n, 10]

The same bytes are sent again and again: neither client builds a message while it measures.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from tritonclient.grpc import service_pb2

from slipway.contract import IMAGE, PROBABILITIES

__all__ = [
    "GRPC_PATH",
    "MODEL",
    "Base64Json",
    "HttpFormat",
    "Payload",
    "RawBytes",
    "V2Binary",
    "V2Json",
    "grpc_message",
    "grpc_probabilities",
]

MODEL = "mnist"
GRPC_PATH = "/inference.GRPCInferenceService/ModelInfer"
_V2_PATH = f"/v2/models/{MODEL}/infer"
_HEADER_LENGTH = "inference-header-content-length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One HTTP POST."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class HttpFormat(Protocol):
    """How images travel to a server, and probabilities back."""

    title: str

    def encode(self, images: np.ndarray) -> Payload:
        """uint8 [n, 28, 28, 1] as a request."""

    def decode(self, headers: Mapping[str, str], body: bytes) -> np.ndarray:
        """An answer as float32 [n, 10]; its headers' names are in lower case."""


class V2Binary:
    """The open inference protocol with its extension for binary tensors."""

    title = "V2, binary"

    def encode(self, images: np.ndarray) -> Payload:
        """A JSON header, then the pixels."""
        tensor = _tensor(images) | {"parameters": {"binary_data_size": images.nbytes}}
        asked = {"name": PROBABILITIES, "parameters": {"binary_data": True}}
        header = json.dumps({"inputs": [tensor], "outputs": [asked]}, separators=(",", ":")).encode()
        return Payload(
            path=_V2_PATH,
            headers={"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(header))},
            body=header + images.tobytes(),
        )

    def decode(self, headers: Mapping[str, str], body: bytes) -> np.ndarray:
        """The floats follow the JSON header."""
        return np.frombuffer(body[int(headers[_HEADER_LENGTH]) :], np.float32).reshape(-1, 10)


class V2Json:
    """The open inference protocol, numbers as text."""

    title = "V2, JSON"

    def encode(self, images: np.ndarray) -> Payload:
        """A list of numbers."""
        tensor = _tensor(images) | {"data": images.ravel().tolist()}
        return _json(_V2_PATH, {"inputs": [tensor], "outputs": [{"name": PROBABILITIES}]})

    def decode(self, headers: Mapping[str, str], body: bytes) -> np.ndarray:  # noqa: ARG002 - JSON says all of it
        """A list of numbers."""
        return np.array(json.loads(body)["outputs"][0]["data"], np.float32).reshape(-1, 10)


class RawBytes:
    """No protocol: pixels in, floats out."""

    title = "bare bytes"

    def encode(self, images: np.ndarray) -> Payload:
        """The pixels."""
        return Payload(path="/classify", headers={"Content-Type": "application/octet-stream"}, body=images.tobytes())

    def decode(self, headers: Mapping[str, str], body: bytes) -> np.ndarray:  # noqa: ARG002 - there is nothing to say
        """The floats."""
        return np.frombuffer(body, np.float32).reshape(-1, 10)


class Base64Json:
    """JSON for servers that take nothing else; base64 costs them less than lists of numbers."""

    title = "JSON, pixels in base64"

    def encode(self, images: np.ndarray) -> Payload:
        """One text."""
        return _json("/classify", {"pixels": base64.b64encode(images.tobytes()).decode()})

    def decode(self, headers: Mapping[str, str], body: bytes) -> np.ndarray:  # noqa: ARG002 - JSON says all of it
        """Lists of numbers."""
        return np.array(json.loads(body)["probabilities"], np.float32).reshape(-1, 10)


def grpc_message(images: np.ndarray) -> service_pb2.ModelInferRequest:
    """The open inference protocol over gRPC, with the pixels as they are."""
    request = service_pb2.ModelInferRequest(model_name=MODEL, raw_input_contents=[images.tobytes()])
    request.inputs.add(name=IMAGE, datatype="UINT8", shape=images.shape)
    return request


def grpc_probabilities(response: service_pb2.ModelInferResponse) -> np.ndarray:
    """An answer as float32 [n, 10]; a server chooses whether it sends bytes or numbers."""
    if response.raw_output_contents:
        return np.frombuffer(response.raw_output_contents[0], np.float32).reshape(-1, 10)
    return np.array(response.outputs[0].contents.fp32_contents, np.float32).reshape(-1, 10)


def _tensor(images: np.ndarray) -> dict[str, object]:
    return {"name": IMAGE, "shape": list(images.shape), "datatype": "UINT8"}


def _json(path: str, document: object) -> Payload:
    body = json.dumps(document, separators=(",", ":")).encode()
    return Payload(path=path, headers={"Content-Type": "application/json"}, body=body)
