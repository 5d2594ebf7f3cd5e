"""Encode inference requests and decode responses, for programs with their own transport.

    stub = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")    # passes bytes through
    operation = Infer("mnist", "", images)
    content = grpc_request(operation, timeout_s=2.0)
    result = grpc_response(operation, stub(content))

`Classifier` is the client for applications. This module is for load generators and gateways, which encode a request
once and send it many times with little overhead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from slipway.client._address import Address, parse_address
from slipway.client._operations import Infer
from slipway.client._page import PageUnreadable, read_page
from slipway.client._tensors import InferResult
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.client._transports import grpc_transport, http_transport
from slipway.client._transports.connection_settings import ConnectionSettings, connection_settings
from slipway.client._transports.grpc_channel import open_channel
from slipway.client._transports.grpc_control import rpc_failure
from slipway.client._transports.http_messages import HttpRequest, HttpResponse
from slipway.client._transports.proxies import Proxy, proxy_for

__all__ = [
    "GRPC_INFER",
    "Address",
    "ConnectionSettings",
    "FailureKind",
    "HttpRequest",
    "Infer",
    "InferResult",
    "PageUnreadable",
    "Proxy",
    "TransportFailure",
    "connection_settings",
    "grpc_channel",
    "grpc_failure",
    "grpc_request",
    "grpc_response",
    "http_request",
    "http_response",
    "parse_address",
    "proxy_for",
    "read_page",
]

GRPC_INFER = grpc_transport.METHODS[Infer]
"""The remote procedure that `grpc_request` is for."""


def grpc_channel(address: Address, settings: ConnectionSettings) -> grpc.Channel:
    """Open a blocking channel as `Classifier` does: the same proxies, certificates, keepalive and reconnect backoff.

    Raises:
        InvalidAddress: See `proxy_for`.
        ValueError: A certificate cannot be read any more.
    """
    return open_channel(grpc, address, settings)


def grpc_request(operation: Infer, *, timeout_s: float) -> bytes:
    """Serialise an operation; `timeout_s` is sent to the server."""
    return grpc_transport.encode(operation, timeout_s)


def grpc_response(operation: Infer, content: bytes) -> InferResult | TransportFailure:
    """Decode the serialised response to an operation."""
    result: InferResult | TransportFailure = grpc_transport.decode(operation, content)
    return result


def grpc_failure(exc: Any) -> TransportFailure:  # noqa: ANN401 - grpc.RpcError declares none of the methods that every instance has
    """Why a gRPC call failed."""
    return rpc_failure(exc)


def http_request(operation: Infer, *, timeout_s: float) -> HttpRequest:
    """Encode an operation with the binary tensor extension; `path` is relative to the server's URL."""
    return http_transport.encode(operation, timeout_s)


def http_response(
    operation: Infer, status: int, headers: Mapping[str, str], body: bytes
) -> InferResult | TransportFailure:
    """Decode the response to an operation; names in `headers` are case-insensitive."""
    result: InferResult | TransportFailure = http_transport.decode(
        operation, HttpResponse(status=status, headers=headers, body=body)
    )
    return result
