"""Inference requests as bytes and the answers back, for programs that bring their own transport.

    stub = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")    # passes bytes through
    question = Infer("mnist", "", images)
    content = grpc_request(question, timeout_s=2.0)
    answer = grpc_answer(question, stub(content))

`Classifier` is the client for applications. This is for load generators and gateways, which prepare a request once
and send it many times, and must not spend their time on what surrounds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from slipway.client._address import Address, parse_address
from slipway.client._faults import Fault, FaultKind
from slipway.client._page import PageUnreadable, read_page
from slipway.client._questions import Infer, Inferred
from slipway.client._transports import grpc_codec, http_codec
from slipway.client._transports.grpc_channel import open_channel
from slipway.client._transports.http_codec import HttpRequest, HttpResponse
from slipway.client._transports.proxies import Proxy, proxy_for
from slipway.client._transports.wiring import Wiring, wired

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
    "Wiring",
    "grpc_answer",
    "grpc_channel",
    "grpc_fault",
    "grpc_request",
    "http_answer",
    "http_request",
    "parse_address",
    "proxy_for",
    "read_page",
    "wired",
]

GRPC_INFER = f"{grpc_codec.SERVICE}/{grpc_codec.CALLS[Infer].method}"
"""The remote procedure that `grpc_request` is for."""


def grpc_channel(address: Address, wiring: Wiring) -> grpc.Channel:
    """Open a blocking channel as `Classifier` does: the same proxies, trust, keepalive and pauses between attempts.

    Raises:
        InvalidAddress: See `proxy_for`.
        ValueError: A certificate cannot be read any more.
    """
    return open_channel(grpc, address, wiring)


def grpc_request(question: Infer, *, timeout_s: float) -> bytes:
    """Serialise a question; `timeout_s` is told to the server."""
    return grpc_codec.encode(question, timeout_s)


def grpc_answer(question: Infer, content: bytes) -> Inferred | Fault:
    """Read the serialised answer to a question."""
    answer: Inferred | Fault = grpc_codec.decode(question, content)
    return answer


def grpc_fault(exc: Any) -> Fault:  # noqa: ANN401 - grpc.RpcError declares none of the methods that every instance has
    """Why a gRPC call failed."""
    return grpc_codec.fault(exc)


def http_request(question: Infer, *, timeout_s: float) -> HttpRequest:
    """Write a question with the binary tensor extension; `path` is relative to the server's URL."""
    return http_codec.encode(question, timeout_s)


def http_answer(question: Infer, status: int, headers: Mapping[str, str], body: bytes) -> Inferred | Fault:
    """Read the answer to a question; names in `headers` are looked up without regard to case."""
    answer: Inferred | Fault = http_codec.decode(question, HttpResponse(status=status, headers=headers, body=body))
    return answer
