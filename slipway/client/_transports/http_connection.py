"""HTTP connections, blocking and asyncio: opened when needed, and again when the server has closed one; a bounded set.

One request has one connection for itself, from its first byte to its last. So a request that fails or is cancelled
takes its connection along and leaves nothing behind, and it is known when the connection that answered was opened.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import httpcore

from slipway.client._address import Address
from slipway.client._retry import Deadline
from slipway.client._tls import http_context
from slipway.client._transport_failures import TransportFailure
from slipway.client._transports.connection_settings import ConnectionSettings
from slipway.client._transports.http_async_sockets import AsyncBackend
from slipway.client._transports.http_failures import too_long
from slipway.client._transports.http_messages import HttpResponse
from slipway.client._transports.http_sockets import DeadlineBackend
from slipway.client._transports.proxies import proxy_for

__all__ = ["AsyncConnections", "Connection", "Connections", "all_busy", "connection_maker"]

ConnectionT = TypeVar("ConnectionT")

_KEPT_S = 5.0  # an idle connection is closed; servers and gateways drop idle ones, some silently


class Connection:
    """Blocking; for one thread at a time, but for `abort`."""

    def __init__(self, options: Mapping[str, Any], proxy: Mapping[str, Any]) -> None:
        self._backend = DeadlineBackend()
        opened = httpcore.HTTPProxy if proxy else httpcore.ConnectionPool
        self._pool: httpcore.ConnectionPool = opened(**options, **proxy, network_backend=self._backend)

    @property
    def connected_ns(self) -> int:
        """`time.monotonic_ns()` before the connection that answered last was opened."""
        return self._backend.connected_ns

    def exchange(self, request: httpcore.Request, *, limit: int) -> HttpResponse | TransportFailure:
        """Send a request and read the response to its end; more than `limit` bytes are a TransportFailure."""
        response = self._pool.handle_request(request)
        try:
            body = bytearray()
            for chunk in response.iter_stream():
                body += chunk
                if len(body) > limit:
                    return too_long(response.status, limit)
        finally:
            response.close()
        if _has_leftover(self._pool.connections):
            self._pool.close()
        return HttpResponse(status=response.status, headers=_headers(response.headers), body=bytes(body))

    def abort(self) -> None:
        """End the call that another thread has in progress."""
        self._backend.abort()

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()


class AsyncConnection:
    """For one task at a time; the caller bounds the time."""

    def __init__(self, options: Mapping[str, Any], proxy: Mapping[str, Any]) -> None:
        self._backend = AsyncBackend()
        opened = httpcore.AsyncHTTPProxy if proxy else httpcore.AsyncConnectionPool
        self._pool: httpcore.AsyncConnectionPool = opened(**options, **proxy, network_backend=self._backend)

    @property
    def connected_ns(self) -> int:
        """See `Connection`."""
        return self._backend.connected_ns

    async def exchange(self, request: httpcore.Request, *, limit: int) -> HttpResponse | TransportFailure:
        """See `Connection`."""
        response = await self._pool.handle_async_request(request)
        try:
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > limit:
                    return too_long(response.status, limit)
        finally:
            await response.aclose()
        if _has_leftover(self._pool.connections):
            await self._pool.aclose()
        return HttpResponse(status=response.status, headers=_headers(response.headers), body=bytes(body))

    async def close(self) -> None:
        """Close the connection."""
        await self._pool.aclose()


class Connections:
    """As many kept connections as threads that call at once, up to a limit.

    Attributes:
        closed: Whether `close` was called.
    """

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        self.closed = False
        self._open = connection_maker(address, settings, Connection)
        self._limit = settings.max_connections
        self._places = threading.BoundedSemaphore(settings.max_connections)
        self._idle: deque[Connection] = deque()  # the newest is used first, so that the others may end
        self._all: set[Connection] = set()

    @contextmanager
    def lend(self, deadline: Deadline) -> Iterator[Connection]:
        """Lend a connection; an exception closes it.

        Raises:
            PoolTimeout: All were busy until the deadline.
            RuntimeError: The client is closed.
        """
        if not self._places.acquire(timeout=max(0.0, deadline.remaining_s())):
            raise all_busy(self._limit)
        try:
            connection = self._take()
            try:
                yield connection
            except BaseException:
                self._all.discard(connection)
                connection.close()
                raise
            self._idle.append(connection)
            if self.closed:
                self.close()
        finally:
            self._places.release()

    def _take(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._open()
            self._all.add(connection)
        if self.closed:
            raise RuntimeError("the client is closed")
        return connection

    def close(self) -> None:
        """End the calls in progress, and close what is idle."""
        self.closed = True
        for connection in list(self._all):
            connection.abort()
        while self._idle:
            self._idle.pop().close()


class AsyncConnections:
    """As `Connections`, for one event loop."""

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        self.closed = False
        self._open = connection_maker(address, settings, AsyncConnection)
        self._places = asyncio.Semaphore(settings.max_connections)
        self._idle: deque[AsyncConnection] = deque()
        self._all: set[AsyncConnection] = set()

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection; an exception closes it. The caller bounds the wait.

        Raises:
            RuntimeError: The client is closed.
        """
        async with self._places:
            if self.closed:
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

    async def close(self) -> None:
        """End the calls in progress, and close what is idle."""
        self.closed = True
        while self._all:
            await self._all.pop().close()
        self._idle.clear()


def all_busy(limit: int) -> httpcore.PoolTimeout:
    """The error of a call that got none of `limit` connections in time."""
    return httpcore.PoolTimeout(f"all {limit} connections are busy")


def connection_maker(
    address: Address, settings: ConnectionSettings, kind: Callable[[Mapping[str, Any], Mapping[str, Any]], ConnectionT]
) -> Callable[[], ConnectionT]:
    """Read certificates and the environment once, for all connections to come.

    Raises:
        InvalidAddress: The environment names a proxy or a file of authorities that cannot be used.
        ValueError: A certificate cannot be read any more.
    """
    options: dict[str, Any] = {
        "max_connections": 1,
        "keepalive_expiry": _KEPT_S,
        "ssl_context": http_context(settings.tls, secure=address.secure),
    }
    proxy = proxy_for(address)
    through: dict[str, Any] = {}
    if proxy is not None:
        through = {"proxy_url": f"http://{proxy}"}
        if proxy.user:
            through["proxy_auth"] = (proxy.user.encode(), proxy.password.encode())
    return lambda: kind(options, through)


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("ascii", "replace").lower(): value.decode("latin-1") for name, value in raw}


def _has_leftover(connections: Iterable[object]) -> bool:
    """Whether a connection of an `httpcore` pool, between two requests, holds bytes that were received and not read.

    A server or a gateway that answers twice, or sends a body where there is none, leaves such bytes behind the answer,
    and `httpcore` would read them as the answer to whatever is asked next. A closed connection holds none.
    """
    return any(_unread(connection) for connection in connections)


def _unread(connection: object) -> bool:
    """Look into the innermost connection, which alone has a parser; `httpcore` does not expose it."""
    inner = connection
    while (below := getattr(inner, "_connection", None)) is not None:
        inner = below
    parser = getattr(inner, "_h11_state", None)
    return parser is not None and bool(parser.trailing_data[0])
