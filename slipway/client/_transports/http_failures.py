"""What an HTTP exchange raises, as a TransportFailure: its kind, and the reason in words."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

import httpcore

from slipway.client._transport_failures import FailureKind, TransportFailure, tls_kind

__all__ = ["TRANSPORT_ERRORS", "failure_of"]

TRANSPORT_ERRORS: tuple[type[Exception], ...] = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    OSError,
    RuntimeError,
)
"""What an exchange raises for what the network or the server does, or (RuntimeError) for a connection that another
thread or task has closed."""

_NUMBERS = re.compile(r"^\[Errno -?\d+\] | \(_ssl\.c:\d+\)$")

_KINDS: tuple[tuple[tuple[type[Exception], ...], FailureKind], ...] = (
    ((httpcore.TimeoutException, TimeoutError), FailureKind.DEADLINE),
    ((httpcore.ConnectError, httpcore.ProxyError), FailureKind.UNREACHABLE),
    ((httpcore.NetworkError, httpcore.RemoteProtocolError), FailureKind.DRAINING),
    ((OSError,), FailureKind.DRAINING),
)


def failure_of(exc: Exception) -> TransportFailure:
    """Why an exchange failed."""
    leaves = list(_leaves(exc))
    said = _words(exc, leaves)
    kind = next((kind for types, kind in _KINDS if isinstance(exc, types)), FailureKind.FAILED)
    if kind is FailureKind.DEADLINE:
        said = _waited_for(exc)
    elif any(isinstance(leaf, ssl.SSLError) for leaf in leaves):
        kind = tls_kind(said, otherwise=kind)
    elif isinstance(exc, httpcore.RemoteProtocolError) and "disconnected" not in said and "closed" not in said:
        kind = FailureKind.UNREACHABLE  # somebody is there and speaks no HTTP
    return TransportFailure(kind=kind, text=said, cause=exc)


def _waited_for(exc: Exception) -> str:
    if isinstance(exc, httpcore.PoolTimeout):
        return str(exc)
    if isinstance(exc, httpcore.ConnectTimeout):
        return "still connecting"
    return "waiting for the response"


def _words(exc: Exception, leaves: list[BaseException]) -> str:
    text = next((str(leaf) for leaf in leaves if isinstance(leaf, ssl.SSLError)), "") or str(exc)
    return _NUMBERS.sub("", text) or type(exc).__name__


def _leaves(exc: BaseException) -> Iterator[BaseException]:
    """Where an exception comes from."""
    inner = exc.exceptions if isinstance(exc, BaseExceptionGroup) else ()
    below = inner or [cause for cause in (exc.__cause__ or exc.__context__,) if cause is not None]
    if not below:
        yield exc
    for cause in below:
        yield from _leaves(cause)
