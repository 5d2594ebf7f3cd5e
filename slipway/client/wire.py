"""For programs with their own transport: encode inference requests, decode responses, read a server's text pages.

    stub = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")    # passes bytes through
    operation = Infer("mnist", "", images)
    content = grpc_request(operation, timeout_s=2.0)
    result = grpc_response(operation, stub(content))

`Classifier` is the client for applications. This module is for load generators and gateways, which encode a request
once and send it many times with little overhead, and read the metrics page of the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from slipway.client._address import Address, parse_address
from slipway.client._operations import Infer
from slipway.client._retry import Deadline
from slipway.client._tensors import InferResult
from slipway.client._tls import Tls
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.client._transports import grpc_transport, http_transport
from slipway.client._transports.connection_settings import ConnectionSettings, connection_settings
from slipway.client._transports.grpc_channel import open_channel
from slipway.client._transports.grpc_control import rpc_failure
from slipway.client._transports.http_connection import Connection, connection_maker
from slipway.client._transports.http_failures import TRANSPORT_ERRORS, describe_response, failure_of
from slipway.client._transports.http_messages import (
    BodyUnreadable,
    HttpRequest,
    HttpResponse,
    RequestWriter,
    decompressed,
)
from slipway.client._transports.proxies import Proxy, proxy_for
from slipway.printable import printable

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

_LONGEST_PAGE_BYTES = 16 << 20

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


class PageUnreadable(Exception):
    """The page cannot be read; says what was received."""


def read_page(address: Address, *, timeout_s: float, tls: Tls | None = None) -> str:
    """Read a text page, such as the metrics; a broken server's may be endless.

    Args:
        address: Its http:// or https:// address, with its path.
        timeout_s: Limit for the whole exchange, in seconds.
        tls: Certificates; None: the public certificate authorities.

    Raises:
        PageUnreadable: No answer in time, another status than 200, or more than 16 MiB.
        InvalidAddress: The environment names a proxy that cannot be used.
    """
    settings = ConnectionSettings(tls=tls if address.secure else None)
    deadline = Deadline(timeout_s)
    request = RequestWriter(address, settings).write(HttpRequest(method="GET", path=""), deadline)
    connection = connection_maker(address, settings, Connection)()
    try:
        response = connection.exchange(request, limit=_LONGEST_PAGE_BYTES)
    except TRANSPORT_ERRORS as exc:
        failure = failure_of(exc)
        text = f"no answer within {timeout_s:g} s" if failure.kind is FailureKind.DEADLINE else failure.text
        raise PageUnreadable(printable(text)) from exc
    finally:
        connection.close()
    return _text(response)


def _text(response: HttpResponse | TransportFailure) -> str:
    if isinstance(response, TransportFailure):
        raise PageUnreadable(response.text)
    if response.status != 200:
        raise PageUnreadable(describe_response(response.status, response.headers, response.body))
    try:
        return decompressed(response.headers, response.body, limit=_LONGEST_PAGE_BYTES).decode(errors="replace")
    except BodyUnreadable as exc:
        raise PageUnreadable(str(exc)) from exc
