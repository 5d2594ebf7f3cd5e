"""TCP for an event loop, under `httpcore`: names looked up within a bound, addresses tried side by side.

The time limit is that of the whole exchange, kept by the caller, so no operation has one of its own.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore

from slipway.client._retry import Deadline
from slipway.client._transports.http_sockets import all_failed, head_start_s, translated
from slipway.client._transports.resolve import AddressInfo, resolve_async, show

__all__ = ["AsyncBackend"]


class AsyncBackend(httpcore.AnyIOBackend):
    """Opens connections; what `httpcore` calls a time-out is our `Deadline`.

    Attributes:
        connected_ns: `time.monotonic_ns()` before the newest connection was opened.
    """

    connected_ns = 0

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: Any = None,  # noqa: ANN401, ASYNC109 - the interface is httpcore's
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the host's addresses that answers."""
        self.connected_ns = time.monotonic_ns()
        with translated(httpcore.ConnectTimeout, httpcore.ConnectError):
            return _Untimed(await self._first_of(await resolve_async(host, port), timeout))

    async def _first_of(self, addresses: Sequence[AddressInfo], deadline: Deadline) -> httpcore.AsyncNetworkStream:
        """As in `http_sockets`: each address a moment after the one before, and one connection kept."""
        pause_s = head_start_s(len(addresses), deadline)
        waiting = [info[-1] for info in addresses]
        failures: dict[str, str] = {}
        running: dict[asyncio.Task[httpcore.AsyncNetworkStream], tuple[Any, ...]] = {}
        try:
            while waiting or running:
                if waiting:
                    where = waiting.pop(0)
                    running[asyncio.ensure_future(super().connect_tcp(_literal(where), where[1]))] = where
                done, _ = await asyncio.wait(
                    running, timeout=pause_s if waiting else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    error = task.exception()
                    if error is None:
                        del running[task]
                        return task.result()
                    failures[show(running.pop(task))] = _reason(error)
        finally:
            await _end(running)
        raise all_failed(failures)


async def _end(tasks: Iterable[asyncio.Task[httpcore.AsyncNetworkStream]]) -> None:
    """Close all other connections, pending or established."""
    left = list(tasks)
    for task in left:
        task.cancel()
    for outcome in await asyncio.gather(*left, return_exceptions=True):
        if isinstance(outcome, httpcore.AsyncNetworkStream):
            await outcome.aclose()


def _literal(where: tuple[Any, ...]) -> str:
    """The host of one address; a link-local one is nothing without its interface."""
    scope = where[3] if len(where) > 3 else 0
    return f"{where[0]}%{scope}" if scope and "%" not in where[0] else str(where[0])


def _reason(error: BaseException) -> str:
    """The system's words for the number behind an error of `httpcore`."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.errno:
            return os.strerror(inner.errno)
        inner = inner.__cause__ or inner.__context__
    return str(error)


class _Untimed(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: Any = None) -> bytes:  # noqa: ANN401, ASYNC109, ARG002
        return await self._stream.read(max_bytes)

    async def write(self, buffer: bytes, timeout: Any = None) -> None:  # noqa: ANN401, ASYNC109, ARG002
        await self._stream.write(buffer)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: Any = None,  # noqa: ANN401, ASYNC109, ARG002
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _Untimed(await self._stream.start_tls(ssl_context, server_hostname))
        except BaseException:  # a handshake that is cancelled leaves the connection open
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401
        return self._stream.get_extra_info(info)
