"""HTTP, blocking and asyncio: a prediction as request and response, and the one place where exceptions are caught.

A prediction travels with the binary tensor extension of the V2 protocol: a JSON header, then the bytes of the tensors.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any, TypeVar, cast

from google.protobuf import json_format

from slipway.client._address import Address
from slipway.client._flow import Response
from slipway.client._operations import Infer, Operation
from slipway.client._options import NO_LIMIT_S, limited
from slipway.client._request_headers import TokenUnusable, conceal
from slipway.client._retry import Deadline
from slipway.client._tensors import InferResult
from slipway.client._transport_failures import FailureKind, TransportFailure, closed
from slipway.client._transports.connection_settings import ConnectionSettings
from slipway.client._transports.http_connection import AsyncConnections, Connections, all_busy
from slipway.client._transports.http_control import CONTROL_CALLS, HttpCall, model_path
from slipway.client._transports.http_failures import (
    TRANSPORT_ERRORS,
    describe_response,
    error_response,
    failure_of,
    redirect_response,
    unexpected_response,
)
from slipway.client._transports.http_messages import (
    BodyUnreadable,
    HttpRequest,
    HttpResponse,
    RequestWriter,
    decompressed,
)
from slipway.contract import IMAGE, PROBABILITIES

__all__ = ["AsyncHttpTransport", "HttpTransport", "decode", "encode"]

A = TypeVar("A")

_HEADER_LENGTH = "Inference-Header-Content-Length"


class HttpTransport:
    """Blocking; a connection for each thread that calls, up to a limit."""

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._requests = RequestWriter(address, settings)
        self._connections = Connections(address, settings)

    def send(self, operation: Operation[A], timeout_s: float) -> Response[A] | TransportFailure:
        """See `SyncTransport`."""
        deadline, sent_ns = Deadline(timeout_s), time.monotonic_ns()
        try:
            request = self._requests.write(encode(operation, timeout_s), deadline)
            with self._connections.lend(deadline) as connection:
                response = connection.exchange(request, limit=operation.max_response_bytes)
        except TokenUnusable as exc:
            return exc.failure()
        except TRANSPORT_ERRORS as exc:
            return closed(exc) if self._connections.closed else failure_of(exc)
        return _answered(operation, response, connection.connected_ns, sent_ns)

    def conceal(self, failure: TransportFailure) -> TransportFailure:
        """See `_request_headers`."""
        return conceal(failure, self._settings.request_headers.secrets)

    def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:  # noqa: ARG002 - as in `SyncTransport`
        """See `SyncTransport`; a connection that failed has told of every address."""
        return failure

    def close(self) -> None:
        """See `SyncTransport`."""
        self._connections.close()


class AsyncHttpTransport:
    """For the event loop in which it is used first."""

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._requests = RequestWriter(address, settings)
        self._connections = AsyncConnections(address, settings)

    async def send(self, operation: Operation[A], timeout_s: float) -> Response[A] | TransportFailure:
        """See `AsyncTransport`."""
        deadline, sent_ns = Deadline(timeout_s), time.monotonic_ns()
        waiting = True
        try:
            request = self._requests.write(encode(operation, timeout_s), deadline)
            async with asyncio.timeout(limited(max(0.0, timeout_s))):
                async with self._connections.lend() as connection:
                    waiting = False
                    response = await connection.exchange(request, limit=operation.max_response_bytes)
        except TokenUnusable as exc:
            return exc.failure()
        except TRANSPORT_ERRORS as exc:
            if self._connections.closed:
                return closed(exc)
            if waiting and isinstance(exc, TimeoutError):
                return failure_of(all_busy(self._settings.max_connections))
            return failure_of(exc)
        return _answered(operation, response, connection.connected_ns, sent_ns)

    def conceal(self, failure: TransportFailure) -> TransportFailure:
        """See `_request_headers`."""
        return conceal(failure, self._settings.request_headers.secrets)

    async def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:  # noqa: ARG002 - as in `AsyncTransport`
        """See `HttpTransport`."""
        return failure

    async def close(self) -> None:
        """See `AsyncTransport`."""
        await self._connections.close()


def _answered(
    operation: Operation[A], response: HttpResponse | TransportFailure, connected_ns: int, sent_ns: int
) -> Response[A] | TransportFailure:
    reply: Any = response if isinstance(response, TransportFailure) else decode(operation, response)
    if isinstance(reply, TransportFailure):
        return reply
    return Response(cast("A", reply), connected_ns, max(sent_ns, connected_ns))


def encode(operation: Operation[Any], timeout_s: float) -> HttpRequest:
    """Encode an operation; `timeout_s` is the time left for it."""
    return CALLS[type(operation)].encode(operation, timeout_s)


def decode(operation: Operation[Any], response: HttpResponse) -> Any:  # noqa: ANN401 - the operation's type names it
    """Decode the result of an operation; a `TransportFailure` for an error or an unexpected response."""
    try:
        body = decompressed(response.headers, response.body, limit=operation.max_response_bytes)
        response = replace(response, body=body)
        if 300 <= response.status < 400:
            return redirect_response(response)
        return CALLS[type(operation)].decode(operation, response)
    except BodyUnreadable as exc:
        received = describe_response(response.status, response.headers, b"")
        return TransportFailure(kind=FailureKind.NOT_V2, text=f"{exc}, {received}", status=str(response.status))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, json_format.ParseError) as exc:
        return unexpected_response(response, cause=exc)


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
        path=f"{model_path(operation.model, operation.version)}/infer",
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


CALLS: dict[type[Operation[Any]], HttpCall] = {
    Infer: HttpCall(encode=_infer_request, decode=_inferred),
    **CONTROL_CALLS,
}
