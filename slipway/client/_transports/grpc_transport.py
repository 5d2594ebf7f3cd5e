"""gRPC, blocking and asyncio: one channel each, and the one place where its exceptions are caught.

A channel opens its connection again by itself when that breaks. It does not notice a load balancer that forgot the
connection, so two calls in a row without any answer before their deadlines end the channel, and the next gets another
(`KeepAlive` does the same for a call that waits long). HTTP does so too: a time-out there takes the connection along.
"""

from __future__ import annotations

import asyncio
import threading
import time
from types import ModuleType
from typing import Any, TypeVar

import grpc
import grpc.aio

from slipway.client._address import Address
from slipway.client._flow import Response
from slipway.client._operations import Operation, ReadConfig, ReadMetadata
from slipway.client._options import limited
from slipway.client._request_headers import TokenUnusable, conceal
from slipway.client._transport_failures import FailureKind, TransportFailure, closed
from slipway.client._transports.connection_settings import ConnectionSettings
from slipway.client._transports.grpc_addresses import Addresses
from slipway.client._transports.grpc_channel import open_channel
from slipway.client._transports.grpc_codec import CALLS, SERVICE, decode, encode, rpc_failure
from slipway.client._transports.grpc_sockets import Sockets
from slipway.platform.daemon_threads import in_daemon_thread

__all__ = ["AsyncGrpcTransport", "GrpcTransport"]

A = TypeVar("A")

_SILENT_CALLS = 2
_ABOUT_THE_MODEL: tuple[type[Operation[Any]], ...] = (ReadConfig, ReadMetadata)


class _Line:
    """One channel, and what is known of it."""

    def __init__(self, flavour: ModuleType, address: Address, settings: ConnectionSettings) -> None:
        self._sockets = Sockets(lambda: open_channel(flavour, address, settings, watched=True))
        self.channel = self._sockets.channel
        self.calls = {
            operation: self.channel.unary_unary(f"{SERVICE}/{call.method}") for operation, call in CALLS.items()
        }
        self.under_way = 0
        self.silent = 0  # calls in a row that had no answer of any kind
        self.connected_ns = time.monotonic_ns()
        self._changes = 0

    def enter(self, operation: type[Operation[Any]]) -> tuple[int, int | None]:
        """Count a call.

        Returns:
            The time, and the number of changes after which the answer is still that of the server which is there now:
            those so far, or the one that opens the very first connection. None where nobody asks.
        """
        now_ns, expected = time.monotonic_ns(), None
        if operation in _ABOUT_THE_MODEL:
            self._look()
            expected = self._changes or 1
        self.under_way += 1
        return now_ns, expected

    def answered(self, entered: tuple[int, int | None]) -> tuple[int, int]:
        """Return `Response.connected_ns` and `valid_ns`, given what `enter` returned."""
        sent_ns, expected = entered
        self._look()
        is_same = expected is not None and self._changes <= expected
        return self.connected_ns, max(sent_ns, self.connected_ns) if is_same else sent_ns

    def _look(self) -> None:
        if self._sockets.changed():
            self.connected_ns = time.monotonic_ns()
            self._changes += 1

    def leave(self, *, silent: bool) -> None:
        """Count the end of a call."""
        self.under_way -= 1
        self.silent = self.silent + 1 if silent else 0


class GrpcTransport:
    """Blocking; one HTTP/2 connection per server address, shared by all threads."""

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        self._address = address
        self._settings = settings
        self._addresses = Addresses(address, settings)
        self._lock = threading.Lock()
        self._line = _Line(grpc, address, settings)
        self._replaced: set[_Line] = set()  # until their last call ends
        self._closed = False

    def send(self, operation: Operation[A], timeout_s: float) -> Response[A] | TransportFailure:
        """See `SyncTransport`."""
        try:
            metadata = _metadata(self._settings)
        except TokenUnusable as exc:
            return TransportFailure(kind=FailureKind.NO_TOKEN, text=str(exc), cause=exc.__cause__)
        request = encode(operation, timeout_s)
        failed: TransportFailure | None = None
        try:
            with self._lock:
                line = self._line
                entered = line.enter(type(operation))
        except ValueError as exc:
            return self._translate(exc)
        try:
            content = line.calls[type(operation)](request, timeout=limited(timeout_s), metadata=metadata)
        except (grpc.RpcError, ValueError) as exc:  # ValueError: the channel is closed
            failed = self._translate(exc)
            return failed
        finally:
            times = self._leave(line, entered, failed)
        return _answered(decode(operation, content), *times)

    def _translate(self, exc: Exception) -> TransportFailure:
        if self._closed:
            return closed(exc)
        if not isinstance(exc, grpc.RpcError):
            raise exc
        return rpc_failure(exc)

    def _leave(self, line: _Line, entered: tuple[int, int | None], failed: TransportFailure | None) -> tuple[int, int]:
        """End a call, under one lock with the look at the connection that answered it."""
        with self._lock:
            line.leave(silent=failed is not None and failed.kind is FailureKind.DEADLINE)
            times = line.answered(entered) if failed is None else (0, 0)
            if line is self._line and line.silent >= _SILENT_CALLS and not self._closed:
                self._line = _Line(grpc, self._address, self._settings)
                self._replaced.add(line)
            finished = line in self._replaced and line.under_way == 0
            if finished:
                self._replaced.discard(line)
        if finished:
            line.channel.close()
        return times

    def conceal(self, failure: TransportFailure) -> TransportFailure:
        """See `_request_headers`."""
        return conceal(failure, self._settings.request_headers.secrets)

    def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:
        """See `SyncTransport`."""
        return self._addresses.explain(failure, timeout_s)

    def close(self) -> None:
        """See `SyncTransport`."""
        self._closed = True
        with self._lock:
            lines = [self._line, *self._replaced]
        for line in lines:
            line.channel.close()


class AsyncGrpcTransport:
    """For the event loop that is running when it is made."""

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        self._address = address
        self._settings = settings
        self._addresses = Addresses(address, settings)
        self._line = _Line(grpc.aio, address, settings)
        self._replaced: set[_Line] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def send(self, operation: Operation[A], timeout_s: float) -> Response[A] | TransportFailure:
        """See `AsyncTransport`."""
        try:
            metadata = _metadata(self._settings)
        except TokenUnusable as exc:
            return TransportFailure(kind=FailureKind.NO_TOKEN, text=str(exc), cause=exc.__cause__)
        request = encode(operation, timeout_s)
        line, failed = self._line, None
        try:
            entered = line.enter(type(operation))
        except grpc.aio.UsageError as exc:
            return closed(exc)
        try:
            content = await line.calls[type(operation)](request, timeout=limited(timeout_s), metadata=metadata)
        except (grpc.RpcError, grpc.aio.UsageError, asyncio.CancelledError) as exc:
            if self._closed:
                return closed(exc)
            if not isinstance(exc, grpc.RpcError):  # the caller's own task was cancelled
                raise
            failed = rpc_failure(exc)
            return failed
        finally:
            self._leave(line, silent=failed is not None and failed.kind is FailureKind.DEADLINE)
        return _answered(decode(operation, content), *line.answered(entered))

    def _leave(self, line: _Line, *, silent: bool) -> None:
        line.leave(silent=silent)
        if line is self._line and line.silent >= _SILENT_CALLS and not self._closed:
            self._line = _Line(grpc.aio, self._address, self._settings)
            self._replaced.add(line)
        if line in self._replaced and line.under_way == 0:
            self._replaced.discard(line)
            task = asyncio.ensure_future(line.channel.close())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def conceal(self, failure: TransportFailure) -> TransportFailure:
        """See `_request_headers`."""
        return conceal(failure, self._settings.request_headers.secrets)

    async def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:
        """See `AsyncTransport`."""
        explained = in_daemon_thread(lambda: self._addresses.explain(failure, timeout_s), name="slipway-resolver")
        return await asyncio.wrap_future(explained)

    async def close(self) -> None:
        """See `AsyncTransport`."""
        self._closed = True
        for line in [self._line, *self._replaced]:
            await line.channel.close()
        await asyncio.gather(*self._ending)


def _metadata(settings: ConnectionSettings) -> tuple[tuple[str, str], ...] | None:
    headers = settings.request_headers.headers()
    return tuple(headers.items()) if headers else None


def _answered(reply: A | TransportFailure, connected_ns: int, valid_ns: int) -> Response[A] | TransportFailure:
    return reply if isinstance(reply, TransportFailure) else Response(reply, connected_ns, valid_ns)
