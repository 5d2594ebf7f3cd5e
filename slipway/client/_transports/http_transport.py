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
from slipway.client._faults import Fault, FaultKind, closed
from slipway.client._options import limited
from slipway.client._questions import Question
from slipway.client._retry import Deadline
from slipway.client._sender import TokenUnusable, conceal
from slipway.client._steps import Answered
from slipway.client._transports.http_codec import HttpResponse, decode, encode
from slipway.client._transports.http_connection import (
    AsyncConnection,
    Connection,
    Words,
    connection_maker,
)
from slipway.client._transports.http_faults import FOREIGN, fault_of
from slipway.client._transports.wiring import Wiring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["AsyncHttpTransport", "HttpTransport"]

A = TypeVar("A")


class HttpTransport:
    """Blocking; as many kept connections as threads that call at once, up to a limit."""

    def __init__(self, address: Address, wiring: Wiring) -> None:
        self._wiring = wiring
        self._request = Words(address, wiring)
        self._open = connection_maker(address, wiring, Connection)
        self._limit = wiring.max_connections
        self._places = threading.BoundedSemaphore(wiring.max_connections)
        self._idle: deque[Connection] = deque()  # the newest is used first, so that the others may end
        self._all: set[Connection] = set()
        self._closed = False

    def send(self, question: Question[A], timeout_s: float) -> Answered[A] | Fault:
        """See `SyncTransport`."""
        deadline, sent_ns = Deadline(timeout_s), time.monotonic_ns()
        try:
            request = self._request.write(encode(question, timeout_s), deadline)
            with self._connection(deadline) as connection:
                response = connection.exchange(request, limit=question.max_answer_bytes)
        except TokenUnusable as exc:
            return Fault(kind=FaultKind.NO_TOKEN, text=str(exc), cause=exc.__cause__)
        except FOREIGN as exc:
            return closed(exc) if self._closed else fault_of(exc)
        return _answered(question, response, connection.connected_ns, sent_ns)

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

    def conceal(self, fault: Fault) -> Fault:
        """See `_sender`."""
        return conceal(fault, self._wiring.sender.secrets)

    def explain(self, fault: Fault, timeout_s: float) -> Fault:  # noqa: ARG002 - as in `SyncTransport`
        """See `SyncTransport`; a connection that failed has told of every address."""
        return fault

    def close(self) -> None:
        """See `SyncTransport`."""
        self._closed = True
        for connection in list(self._all):
            connection.abort()
        while self._idle:
            self._idle.pop().close()


class AsyncHttpTransport:
    """For the event loop in which it is used first."""

    def __init__(self, address: Address, wiring: Wiring) -> None:
        self._wiring = wiring
        self._request = Words(address, wiring)
        self._open = connection_maker(address, wiring, AsyncConnection)
        self._limit = wiring.max_connections
        self._places = asyncio.Semaphore(wiring.max_connections)
        self._idle: deque[AsyncConnection] = deque()
        self._all: set[AsyncConnection] = set()
        self._closed = False

    async def send(self, question: Question[A], timeout_s: float) -> Answered[A] | Fault:
        """See `AsyncTransport`."""
        deadline, sent_ns = Deadline(timeout_s), time.monotonic_ns()
        waiting = True
        try:
            request = self._request.write(encode(question, timeout_s), deadline)
            async with asyncio.timeout(limited(max(0.0, timeout_s))):
                async with self._connection() as connection:
                    waiting = False
                    response = await connection.exchange(request, limit=question.max_answer_bytes)
        except TokenUnusable as exc:
            return Fault(kind=FaultKind.NO_TOKEN, text=str(exc), cause=exc.__cause__)
        except FOREIGN as exc:
            if self._closed:
                return closed(exc)
            if waiting and isinstance(exc, TimeoutError):
                return fault_of(httpcore.PoolTimeout(f"all {self._limit} connections are busy"))
            return fault_of(exc)
        return _answered(question, response, connection.connected_ns, sent_ns)

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

    def conceal(self, fault: Fault) -> Fault:
        """See `_sender`."""
        return conceal(fault, self._wiring.sender.secrets)

    async def explain(self, fault: Fault, timeout_s: float) -> Fault:  # noqa: ARG002 - as in `AsyncTransport`
        """See `HttpTransport`."""
        return fault

    async def close(self) -> None:
        """See `AsyncTransport`."""
        self._closed = True
        while self._all:
            await self._all.pop().close()
        self._idle.clear()


def _answered(
    question: Question[A], response: HttpResponse | Fault, connected_ns: int, sent_ns: int
) -> Answered[A] | Fault:
    reply: Any = response if isinstance(response, Fault) else decode(question, response)
    if isinstance(reply, Fault):
        return reply
    return Answered(cast("A", reply), connected_ns, max(sent_ns, connected_ns))
