"""Look names up within a bound: the system's resolver knows no deadline and cannot be interrupted.

resolve("models.example", 8000, Deadline(2.0))          # in a thread
await resolve_async("models.example", 8000)             # in an event loop

So it works in a thread that may be left behind. It is never one of an executor: those are joined when an event loop or
the process ends, and a lookup that hangs would keep it alive.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias, TypeVar

from slipway.client._options import limited
from slipway.client._retry import Deadline

__all__ = ["AddressInfo", "in_daemon_thread", "resolve", "resolve_async", "show"]

T = TypeVar("T")

AddressInfo: TypeAlias = tuple[Any, ...]
"""Family, kind, protocol, name and address, as `socket.getaddrinfo` returns them."""


def resolve(host: str, port: int, deadline: Deadline) -> Sequence[AddressInfo]:
    """Return the addresses of a host, in the order in which they should be tried.

    Raises:
        TimeoutError: No answer in time.
        OSError: There is no such name.
    """
    known = _numeric(host, port)
    if known is not None:
        return known
    found = in_daemon_thread(lambda: _look_up(host, port))
    try:
        return found.result(timeout=limited(max(0.0, deadline.remaining_s())))
    except TimeoutError:
        raise TimeoutError(f"still looking {host} up") from None


async def resolve_async(host: str, port: int) -> Sequence[AddressInfo]:
    """As `resolve`; the caller bounds the time.

    Raises:
        OSError: There is no such name.
    """
    known = _numeric(host, port)
    return await asyncio.wrap_future(in_daemon_thread(lambda: _look_up(host, port))) if known is None else known


def in_daemon_thread(action: Callable[[], T]) -> Future[T]:
    """Run something that may never end, in a thread that nothing waits for: no executor, no event loop, no exit."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # who stops waiting cannot cancel it any more

    def run() -> None:
        try:
            result = action()
        except BaseException as exc:  # noqa: BLE001 - raised again where it is waited for
            future.set_exception(exc)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="slipway-client", daemon=True).start()
    return future


def show(where: tuple[Any, ...]) -> str:
    """Write one address as in a URL."""
    return f"[{where[0]}]:{where[1]}" if ":" in str(where[0]) else f"{where[0]}:{where[1]}"


def _numeric(host: str, port: int) -> Sequence[AddressInfo] | None:
    """What needs no resolver; None for a name."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return None


def _look_up(host: str, port: int) -> Sequence[AddressInfo]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as exc:  # a label of more than 63 letters
        raise OSError(str(exc)) from exc
