"""Look names up within a bound: the system's resolver has no time-out and cannot be interrupted.

resolve("models.example", 8000, Deadline(2.0))          # in a thread
await resolve_async("models.example", 8000)             # in an event loop

So it works in a thread that may be left behind.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, TypeAlias

from slipway.client._options import limited
from slipway.client._retry import Deadline
from slipway.platform.daemon_threads import in_daemon_thread

__all__ = ["AddressInfo", "resolve", "resolve_async", "show"]

AddressInfo: TypeAlias = tuple[Any, ...]
"""Family, kind, protocol, name and address, as `socket.getaddrinfo` returns them."""

_THREAD = "slipway-resolver"


def resolve(host: str, port: int, deadline: Deadline) -> Sequence[AddressInfo]:
    """Return the addresses of a host, in the order in which they should be tried.

    Raises:
        TimeoutError: No answer in time.
        OSError: There is no such name.
    """
    numeric = _numeric(host, port)
    if numeric is not None:
        return numeric
    lookup = in_daemon_thread(lambda: _look_up(host, port), name=_THREAD)
    try:
        return lookup.result(timeout=limited(max(0.0, deadline.remaining_s())))
    except TimeoutError:
        raise TimeoutError(f"still looking {host} up") from None


async def resolve_async(host: str, port: int) -> Sequence[AddressInfo]:
    """As `resolve`; the caller bounds the time.

    Raises:
        OSError: There is no such name.
    """
    numeric = _numeric(host, port)
    if numeric is not None:
        return numeric
    return await asyncio.wrap_future(in_daemon_thread(lambda: _look_up(host, port), name=_THREAD))


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
