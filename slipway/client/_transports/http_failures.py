"""Why an HTTP exchange failed: what it raised, or what the response says, as a TransportFailure."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator, Mapping

import httpcore

from slipway.client._address import without_secrets
from slipway.client._transport_failures import FailureKind, TransportFailure, http_kind, plain_text, tls_kind
from slipway.client._transports.http_messages import HttpResponse
from slipway.printable import printable

__all__ = [
    "TRANSPORT_ERRORS",
    "describe_response",
    "error_response",
    "error_text",
    "failure_of",
    "redirect_response",
    "too_long",
    "unexpected_response",
]

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
    text = _reason(exc, leaves)
    kind = next((kind for types, kind in _KINDS if isinstance(exc, types)), FailureKind.FAILED)
    if kind is FailureKind.DEADLINE:
        text = _waited_for(exc)
    elif any(isinstance(leaf, ssl.SSLError) for leaf in leaves):
        kind = tls_kind(text, otherwise=kind)
    elif isinstance(exc, httpcore.RemoteProtocolError) and "disconnected" not in text and "closed" not in text:
        kind = FailureKind.UNREACHABLE  # a server that does not speak HTTP
    return TransportFailure(kind=kind, text=text, cause=exc)


def _waited_for(exc: Exception) -> str:
    if isinstance(exc, httpcore.PoolTimeout):
        return str(exc)
    if isinstance(exc, httpcore.ConnectTimeout):
        return "still connecting"
    return "waiting for the response"


def _reason(exc: Exception, leaves: list[BaseException]) -> str:
    text = next((str(leaf) for leaf in leaves if isinstance(leaf, ssl.SSLError)), "") or str(exc)
    return _NUMBERS.sub("", text) or type(exc).__name__


def _leaves(exc: BaseException) -> Iterator[BaseException]:
    """The exceptions at the ends of the causes."""
    grouped = exc.exceptions if isinstance(exc, BaseExceptionGroup) else ()
    causes = grouped or [cause for cause in (exc.__cause__ or exc.__context__,) if cause is not None]
    if not causes:
        yield exc
    for cause in causes:
        yield from _leaves(cause)


def describe_response(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """Describe a response in one line: status, content type, start of the body."""
    kind = printable(headers.get("content-type", "") or "no content type", limit=60).partition(";")[0]
    start = printable(body[:400].decode(errors="replace").strip(), limit=120)
    return f"HTTP status {status}, {kind}" + (f": {start}" if start else "")


def unexpected_response(response: HttpResponse, cause: Exception | None = None) -> TransportFailure:
    """The failure of a response that is not the V2 protocol's."""
    received = describe_response(response.status, response.headers, response.body)
    kind = FailureKind.FAILED if received.startswith("HTTP status 200, application/") else FailureKind.NOT_V2
    text = f"expected a V2 protocol response, got {received}"
    return TransportFailure(kind=kind, text=text, status=str(response.status), cause=cause)


def too_long(status: int, limit: int) -> TransportFailure:
    """The failure of a response of more than `limit` bytes."""
    text = f"expected an answer of at most {limit} bytes, got more"
    return TransportFailure(kind=FailureKind.FAILED, text=text, status=str(status))


def redirect_response(response: HttpResponse) -> TransportFailure:
    """The failure of a redirect, which the client does not follow."""
    location = without_secrets(response.headers.get("location", "no location"))
    text = f"expected a V2 protocol response, got HTTP status {response.status}, a redirect to {location}"
    return TransportFailure(kind=FailureKind.NOT_V2, text=text, status=str(response.status))


def error_response(response: HttpResponse) -> TransportFailure:
    """The failure of an error response: the server's JSON error, or a gateway's page."""
    message = error_text(response.body)
    retry_after = response.headers.get("retry-after", "")
    kind = http_kind(response.status, message or "")
    if message is None and kind in (FailureKind.NOT_FOUND, FailureKind.INVALID):
        return unexpected_response(response)
    received = describe_response(response.status, response.headers, response.body)
    return TransportFailure(
        kind=kind,
        text=plain_text(message) if message else received,
        status=str(response.status),
        retry_after_s=float(retry_after[:9]) if retry_after.isdecimal() and retry_after.isascii() else 0.0,
    )


def error_text(body: bytes) -> str | None:
    """The message of a JSON error, or None for any other body."""
    content = body.decode(errors="replace").strip()
    if not content.startswith("{"):
        return None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    text = next((document[name] for name in ("error", "detail", "message") if name in document), content)
    return str(text)[:2000]
