"""Inference requests as bytes and the answers back, for programs that bring their own transport.

    question = Infer("mnist", "", images)
    content = grpc_request(question, timeout_s=2.0)
    answer = grpc_answer(question, stub(content))       # stub: a unary call that passes bytes through

`Classifier` is the client for applications. This is for load generators and gateways, which prepare a request once
and send it many times, and must not spend their time on what surrounds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.client import _grpc_codec, _http_codec
from slipway.client._address import Address, parse_address
from slipway.client._faults import Fault, FaultKind
from slipway.client._http_codec import HttpRequest, HttpResponse
from slipway.client._page import PageUnreadable, read_page
from slipway.client._proxies import Proxy, proxy_for
from slipway.client._questions import Infer, Inferred

__all__ = [
    "GRPC_INFER",
    "Address",
    "Fault",
    "FaultKind",
    "HttpRequest",
    "Infer",
    "Inferred",
    "PageUnreadable",
    "Proxy",
    "grpc_answer",
    "grpc_fault",
    "grpc_request",
    "http_answer",
    "http_request",
    "parse_address",
    "proxy_for",
    "read_page",
]

GRPC_INFER = f"{_grpc_codec.SERVICE}/{_grpc_codec.CALLS[Infer].method}"
"""The remote procedure that `grpc_request` is for."""


def grpc_request(question: Infer, *, timeout_s: float) -> bytes:
    """Serialise a question; `timeout_s` is told to the server."""
    return _grpc_codec.encode(question, timeout_s)


def grpc_answer(question: Infer, content: bytes) -> Inferred | Fault:
    """Read the serialised answer to a question."""
    answer: Inferred | Fault = _grpc_codec.decode(question, content)
    return answer


def grpc_fault(exc: Any) -> Fault:  # noqa: ANN401 - grpc.RpcError declares none of the methods that every instance has
    """Why a gRPC call failed."""
    return _grpc_codec.fault(exc)


def http_request(question: Infer, *, timeout_s: float) -> HttpRequest:
    """Write a question with the binary tensor extension; `path` is relative to the server's URL."""
    return _http_codec.encode(question, timeout_s)


def http_answer(question: Infer, status: int, headers: Mapping[str, str], body: bytes) -> Inferred | Fault:
    """Read the answer to a question; names in `headers` are looked up without regard to case."""
    answer: Inferred | Fault = _http_codec.decode(question, HttpResponse(status=status, headers=headers, body=body))
    return answer
