"""gRPC, blocking and asyncio: a prediction as a message, and the one place where gRPC's exceptions are caught.

A channel opens its connection again by itself when that breaks. It does not notice a load balancer that forgot the
connection, so two calls in a row without any answer before their deadlines end the channel, and the next gets another
(`KeepAlive` does the same for a call that waits long). HTTP does so too: a time-out there takes the connection along.

The raw messages of the V2 protocol are used, not `tritonclient.grpc.InferenceServerClient`: its InferInput and
InferResult copy what one assignment does here.
"""

from __future__ import annotations

import asyncio
import threading
from types import ModuleType
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from slipway import protocol as pb
from slipway.client._address import Address
from slipway.client._flow import Response
from slipway.client._operations import Infer, Operation
from slipway.client._options import NO_LIMIT_S, limited
from slipway.client._request_headers import TokenUnusable, conceal
from slipway.client._tensors import InferResult
from slipway.client._transport_failures import FailureKind, TransportFailure, closed
from slipway.client._transports.connection_settings import ConnectionSettings
from slipway.client._transports.grpc_addresses import Addresses
from slipway.client._transports.grpc_channel import WatchedChannel
from slipway.client._transports.grpc_control import CONTROL_CALLS, SERVICE, GrpcCall, rpc_failure
from slipway.contract import IMAGE, PROBABILITIES
from slipway.platform.daemon_threads import in_daemon_thread

__all__ = ["CALLS", "METHODS", "AsyncGrpcTransport", "GrpcTransport", "decode", "encode"]

A = TypeVar("A")

_SILENT_CALLS = 2


class _Channels:
    """The channel of a transport, and those that it replaced, until their last call ends."""

    _grpc_module: ModuleType

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        self._address = address
        self._settings = settings
        self._addresses = Addresses(address, settings)
        self._channel = self._open()
        self._replaced: set[WatchedChannel] = set()
        self._closed = False

    def conceal(self, failure: TransportFailure) -> TransportFailure:
        """See `_request_headers`."""
        return conceal(failure, self._settings.request_headers.secrets)

    def _open(self) -> WatchedChannel:
        return WatchedChannel(self._grpc_module, self._address, self._settings, METHODS)

    def _metadata(self) -> tuple[tuple[str, str], ...] | None:
        headers = self._settings.request_headers.headers()
        return tuple(headers.items()) if headers else None

    def _leave(self, channel: WatchedChannel, failure: TransportFailure | None) -> bool:
        """Count the end of a call; whether the channel is to be closed now."""
        channel.leave(silent=failure is not None and failure.kind is FailureKind.DEADLINE)
        if channel is self._channel and channel.silent >= _SILENT_CALLS and not self._closed:
            self._channel = self._open()
            self._replaced.add(channel)
        finished = channel in self._replaced and channel.in_flight == 0
        if finished:
            self._replaced.discard(channel)
        return finished


class GrpcTransport(_Channels):
    """Blocking; one HTTP/2 connection per server address, shared by all threads."""

    _grpc_module = grpc

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        super().__init__(address, settings)
        self._lock = threading.Lock()

    def send(self, operation: Operation[A], timeout_s: float) -> Response[A] | TransportFailure:
        """See `SyncTransport`."""
        try:
            metadata = self._metadata()
        except TokenUnusable as exc:
            return exc.failure()
        request = encode(operation, timeout_s)
        failure: TransportFailure | None = None
        try:
            with self._lock:
                channel = self._channel
                entered = channel.enter(type(operation))
        except ValueError as exc:
            return self._translate(exc)
        try:
            content = channel.calls[type(operation)](request, timeout=limited(timeout_s), metadata=metadata)
        except (grpc.RpcError, ValueError) as exc:  # ValueError: the channel is closed
            failure = self._translate(exc)
            return failure
        finally:
            with self._lock:  # also for the look at the connection that answered
                finished = self._leave(channel, failure)
                times = channel.answered(entered) if failure is None else (0, 0)
            if finished:
                channel.channel.close()
        return _answered(decode(operation, content), *times)

    def _translate(self, exc: Exception) -> TransportFailure:
        if self._closed:
            return closed(exc)
        if not isinstance(exc, grpc.RpcError):
            raise exc
        return rpc_failure(exc)

    def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:
        """See `SyncTransport`."""
        return self._addresses.explain(failure, timeout_s)

    def close(self) -> None:
        """See `SyncTransport`."""
        self._closed = True
        with self._lock:
            channels = [self._channel, *self._replaced]
        for channel in channels:
            channel.channel.close()


class AsyncGrpcTransport(_Channels):
    """For the event loop that is running when it is made."""

    _grpc_module = grpc.aio

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        super().__init__(address, settings)
        self._ending: set[asyncio.Task[None]] = set()

    async def send(self, operation: Operation[A], timeout_s: float) -> Response[A] | TransportFailure:
        """See `AsyncTransport`."""
        try:
            metadata = self._metadata()
        except TokenUnusable as exc:
            return exc.failure()
        request = encode(operation, timeout_s)
        channel, failure = self._channel, None
        try:
            entered = channel.enter(type(operation))
        except grpc.aio.UsageError as exc:
            return closed(exc)
        try:
            content = await channel.calls[type(operation)](request, timeout=limited(timeout_s), metadata=metadata)
        except (grpc.RpcError, grpc.aio.UsageError, asyncio.CancelledError) as exc:
            if self._closed:
                return closed(exc)
            if not isinstance(exc, grpc.RpcError):  # the caller's own task was cancelled
                raise
            failure = rpc_failure(exc)
            return failure
        finally:
            if self._leave(channel, failure):
                task = asyncio.ensure_future(channel.channel.close())
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
        return _answered(decode(operation, content), *channel.answered(entered))

    async def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:
        """See `AsyncTransport`."""
        explained = in_daemon_thread(lambda: self._addresses.explain(failure, timeout_s), name="slipway-resolver")
        return await asyncio.wrap_future(explained)

    async def close(self) -> None:
        """See `AsyncTransport`."""
        self._closed = True
        for channel in [self._channel, *self._replaced]:
            await channel.channel.close()
        await asyncio.gather(*self._ending)


def _answered(reply: A | TransportFailure, connected_ns: int, valid_ns: int) -> Response[A] | TransportFailure:
    return reply if isinstance(reply, TransportFailure) else Response(reply, connected_ns, valid_ns)


def encode(operation: Operation[Any], timeout_s: float) -> bytes:
    """Serialise an operation; `timeout_s` is the time left for it."""
    content: bytes = CALLS[type(operation)].encode(operation, timeout_s).SerializeToString()
    return content


def decode(operation: Operation[Any], content: bytes) -> Any:  # noqa: ANN401 - the operation's type names it
    """Read the serialised answer to an operation, or a TransportFailure where it makes no sense."""
    call = CALLS[type(operation)]
    if len(content) > operation.max_response_bytes:
        text = f"expected an answer of at most {operation.max_response_bytes} bytes, got {len(content)}"
        return TransportFailure(kind=FailureKind.FAILED, text=text)
    try:
        response = call.response.FromString(content)
    except (DecodeError, ValueError) as exc:  # ValueError: a text that is no UTF-8
        name = call.response.DESCRIPTOR.name
        return TransportFailure(kind=FailureKind.FAILED, text=f"expected a {name}, got {content[:40]!r}", cause=exc)
    return call.decode(operation, response)


def _infer_request(operation: Infer, timeout_s: float) -> pb.Message:
    images = operation.images
    request = pb.ModelInferRequest(model_name=operation.model, model_version=operation.version)
    request.inputs.add(name=IMAGE, datatype="UINT8", shape=images.shape)
    request.raw_input_contents.append(images.tobytes())
    # Read only by a model whose queue policy allows it: the server then drops requests that timed out.
    if timeout_s < NO_LIMIT_S:
        request.parameters["timeout"].int64_param = max(1, int(timeout_s * 1e6))
    return request


def _inferred(operation: Infer, response: pb.Message) -> InferResult | TransportFailure:
    for output, content in zip(response.outputs, response.raw_output_contents, strict=False):
        if output.name == PROBABILITIES and output.datatype == "FP32":
            return InferResult.from_wire(
                content,
                shape=tuple(output.shape),
                images=len(operation.images),
                model_version=response.model_version,
            )
    got = [f"{output.name} {output.datatype}" for output in response.outputs[:5]]
    return TransportFailure(
        kind=FailureKind.FAILED, text=f"expected an output {PROBABILITIES} FP32 in raw bytes, got {got}"
    )


CALLS: dict[type[Operation[Any]], GrpcCall] = {
    Infer: GrpcCall(method="ModelInfer", encode=_infer_request, response=pb.ModelInferResponse, decode=_inferred),
    **CONTROL_CALLS,
}
METHODS = {operation: f"{SERVICE}/{call.method}" for operation, call in CALLS.items()}
"""The remote procedure of each operation."""
