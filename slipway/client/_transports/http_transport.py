"""HTTP, blocking and asyncio: a bounded set of connections each, and the one place where their exceptions are caught.

One request has one connection for itself, from its first byte to its last. So a request that fails or is cancelled
takes its connection along and leaves nothing behind, and it is known when the connection that answered was opened.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import httpcore

from slipway.client._address import Address
from slipway.client._flow import Response
from slipway.client._operations import Operation
from slipway.client._options import limited
from slipway.client._request_headers import TokenUnusable, conceal
from slipway.client._retry import Deadline
from slipway.client._transport_failures import TransportFailure, closed
from slipway.client._transports.connection_settings import ConnectionSettings
from slipway.client._transports.http_codec import decode, encode
from slipway.client._transports.http_connection import (
    AsyncConnection,
    Connection,
    Words,
    connection_maker,
)
from slipway.client._transports.http_failures import TRANSPORT_ERRORS, failure_of
from slipway.client._transports.http_messages import HttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["AsyncHttpTransport", "HttpTransport"]

A = TypeVar("A")


class HttpTransport:
    """Blocking; as many kept connections as threads that call at once, up to a limit."""

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._request = Words(address, settings)
        self._open = connection_maker(address, settings, Connection)
        self._limit = settings.max_connections
        self._places = threading.BoundedSemaphore(settings.max_connections)
        self._idle: deque[Connection] = deque()  # the newest is used first, so that the others may end
        self._all: set[Connection] = set()
        self._closed = False

    def send(self, operation: Operation[A], timeout_s: float) -> Response[A] | TransportFailure:
        """See `SyncTransport`."""
        deadline, sent_ns = Deadline(timeout_s), time.monotonic_ns()
        try:
            request = self._request.write(encode(operation, timeout_s), deadline)
            with self._connection(deadline) as connection:
                response = connection.exchange(request, limit=operation.max_response_bytes)
        except TokenUnusable as exc:
            return exc.failure()
        except TRANSPORT_ERRORS as exc:
            return closed(exc) if self._closed else failure_of(exc)
        return _answered(operation, response, connection.connected_ns, sent_ns)

    @contextmanager
    def _connection(self, deadline: Deadline) -> Iterator[Connection]:
        if not self._places.acquire(timeout=max(0.0, deadline.remaining_s())):
            raise httpcore.PoolTimeout(f"all {self._limit} connections are busy")
        try:
            connection = self._take()
            try:
                yield connection
            except BaseException:
                self._all.discard(connection)
                connection.close()
                raise
            self._idle.append(connection)
            if self._closed:
                self.close()
        finally:
            self._places.release()

    def _take(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._open()
            self._all.add(connection)
        if self._closed:
            raise RuntimeError("the client is closed")
        return connection

    def conceal(self, failure: TransportFailure) -> TransportFailure:
        """See `_request_headers`."""
        return conceal(failure, self._settings.request_headers.secrets)

    def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:  # noqa: ARG002 - as in `SyncTransport`
        """See `SyncTransport`; a connection that failed has told of every address."""
        return failure

    def close(self) -> None:
        """See `SyncTransport`."""
        self._closed = True
        for connection in list(self._all):
            connection.abort()
        while self._idle:
            self._idle.pop().close()


class AsyncHttpTransport:
    """For the event loop in which it is used first."""

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._request = Words(address, settings)
        self._open = connection_maker(address, settings, AsyncConnection)
        self._limit = settings.max_connections
        self._places = asyncio.Semaphore(settings.max_connections)
        self._idle: deque[AsyncConnection] = deque()
        self._all: set[AsyncConnection] = set()
        self._closed = False

    async def send(self, operation: Operation[A], timeout_s: float) -> Response[A] | TransportFailure:
        """See `AsyncTransport`."""
        deadline, sent_ns = Deadline(timeout_s), time.monotonic_ns()
        waiting = True
        try:
            request = self._request.write(encode(operation, timeout_s), deadline)
            async with asyncio.timeout(limited(max(0.0, timeout_s))):
                async with self._connection() as connection:
                    waiting = False
                    response = await connection.exchange(request, limit=operation.max_response_bytes)
        except TokenUnusable as exc:
            return exc.failure()
        except TRANSPORT_ERRORS as exc:
            if self._closed:
                return closed(exc)
            if waiting and isinstance(exc, TimeoutError):
                return failure_of(httpcore.PoolTimeout(f"all {self._limit} connections are busy"))
            return failure_of(exc)
        return _answered(operation, response, connection.connected_ns, sent_ns)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        async with self._places:
            if self._closed:
                raise RuntimeError("the client is closed")
            connection = self._idle.pop() if self._idle else self._open()
            self._all.add(connection)
            try:
                yield connection
            except BaseException:
                self._all.discard(connection)
                await connection.close()
                raise
            self._idle.append(connection)

    def conceal(self, failure: TransportFailure) -> TransportFailure:
        """See `_request_headers`."""
        return conceal(failure, self._settings.request_headers.secrets)

    async def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:  # noqa: ARG002 - as in `AsyncTransport`
        """See `HttpTransport`."""
        return failure

    async def close(self) -> None:
        """See `AsyncTransport`."""
        self._closed = True
        while self._all:
            await self._all.pop().close()
        self._idle.clear()


def _answered(
    operation: Operation[A], response: HttpResponse | TransportFailure, connected_ns: int, sent_ns: int
) -> Response[A] | TransportFailure:
    reply: Any = response if isinstance(response, TransportFailure) else decode(operation, response)
    if isinstance(reply, TransportFailure):
        return reply
    return Response(cast("A", reply), connected_ns, max(sent_ns, connected_ns))
