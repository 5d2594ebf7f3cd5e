"""Why an operation failed: gRPC's and HTTP's statuses as one value.

The tables come from Triton's sources and are pinned against a running tritonserver in
`tests/integration/test_client_faults.py`. Triton says UNAVAILABLE (HTTP 503) for overload, for a model that is
loading, for a restricted operation and for its own shutdown alike, so there the text decides.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from urllib.parse import unquote

__all__ = ["FailureKind", "TransportFailure", "closed", "grpc_kind", "http_kind", "plain_text", "tls_kind"]


class FailureKind(enum.Enum):
    """The kinds of failure that the protocols can tell apart."""

    UNREACHABLE = enum.auto()
    UNTRUSTED = enum.auto()
    DRAINING = enum.auto()
    OVERLOADED = enum.auto()
    NOT_FOUND = enum.auto()
    NOT_READY = enum.auto()
    INVALID = enum.auto()
    UNAUTHENTICATED = enum.auto()
    NO_TOKEN = enum.auto()
    NOT_V2 = enum.auto()
    DEADLINE = enum.auto()
    FAILED = enum.auto()
    CLOSED = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFailure:
    """An operation that failed.

    Attributes:
        kind: Selects the error class and whether to retry.
        text: The server's or the transport's message.
        status: The protocol's status; empty where the server sent none.
        cause: The library's exception, for the traceback.
        retry_after_s: From the server's Retry-After, in seconds.
    """

    kind: FailureKind
    text: str
    status: str = ""
    cause: BaseException | None = None
    retry_after_s: float = 0.0


def closed(cause: BaseException) -> TransportFailure:
    """The failure of a call whose client was closed."""
    return TransportFailure(kind=FailureKind.CLOSED, text="the client was closed", cause=cause)


# Certificate errors of OpenSSL and BoringSSL; a retry changes nothing.
_UNTRUSTED = (
    "CERTIFICATE_VERIFY_FAILED",
    "Hostname Verification Check failed",
    "is not in peer certificate",
    "WRONG_VERSION_NUMBER",
    "ALERT_UNKNOWN_CA",
    "ALERT_CERTIFICATE",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_HANDSHAKE_FAILURE",
)

_UNAVAILABLE_BY_TEXT = (
    *((pattern, FailureKind.UNTRUSTED) for pattern in _UNTRUSTED),
    ("Exceeds maximum queue size", FailureKind.OVERLOADED),
    ("Request timeout expired", FailureKind.OVERLOADED),
    ("is not at ready state", FailureKind.NOT_READY),
    ("Server not ready", FailureKind.NOT_READY),
    ("is restricted, expecting header", FailureKind.UNAUTHENTICATED),
    ("Server is stopping", FailureKind.DRAINING),
    ("shutting down", FailureKind.DRAINING),
    ("failed to connect to all addresses", FailureKind.UNREACHABLE),
    ("connections to all backends failing", FailureKind.UNREACHABLE),
    ("errors resolving", FailureKind.UNREACHABLE),
    ("DNS resolution failed", FailureKind.UNREACHABLE),
)

_NO_VERSION = "has no available versions"

_GRPC = {
    "CANCELLED": FailureKind.DRAINING,
    "DEADLINE_EXCEEDED": FailureKind.DEADLINE,
    "INVALID_ARGUMENT": FailureKind.INVALID,
    "NOT_FOUND": FailureKind.NOT_FOUND,
    "OUT_OF_RANGE": FailureKind.INVALID,
    "PERMISSION_DENIED": FailureKind.UNAUTHENTICATED,
    "RESOURCE_EXHAUSTED": FailureKind.OVERLOADED,
    "UNAUTHENTICATED": FailureKind.UNAUTHENTICATED,
}

_HTTP = {
    400: FailureKind.INVALID,
    401: FailureKind.UNAUTHENTICATED,
    403: FailureKind.UNAUTHENTICATED,
    404: FailureKind.NOT_FOUND,
    408: FailureKind.DRAINING,  # sent by gateways that close an idle connection, whatever was just sent on it
    413: FailureKind.INVALID,
    429: FailureKind.OVERLOADED,
    499: FailureKind.DRAINING,
    502: FailureKind.UNREACHABLE,
    504: FailureKind.OVERLOADED,
}


# gRPC's message for a stream that was closed in between, as by a restarting proxy; no server has processed the call.
_GRPC_STREAM_ENDED = ("Stream removed", "RST_STREAM with error code")

_GRPC_PREFIXES = (
    "connections to all backends failing; last error: ",
    "failed to connect to all addresses; last error: ",
)
_GRPC_WHERE = re.compile(r"^(?:[A-Z_]+: )?ipv[46]:(\S+): ")
_GRPC_NUMBER = re.compile(r" \(\d+\)$")


def grpc_kind(status: str, text: str) -> FailureKind:
    """Classify a gRPC status name and its details.

    UNAVAILABLE with a text that is not Triton's comes from gRPC itself, about an open connection that broke.
    NOT_FOUND means an unknown name, or a known one whose versions are all loading, unloading or gone.
    """
    if status == "UNAVAILABLE":
        return _by_text(text, otherwise=FailureKind.DRAINING)
    if status == "NOT_FOUND" and _NO_VERSION in text:
        return FailureKind.NOT_READY
    if status in ("UNKNOWN", "INTERNAL") and any(pattern in text for pattern in _GRPC_STREAM_ENDED):
        return FailureKind.DRAINING
    if status == "RESOURCE_EXHAUSTED" and "larger than" in text:
        return FailureKind.INVALID
    return _GRPC.get(status, FailureKind.FAILED)


def http_kind(status: int, text: str) -> FailureKind:
    """Classify an HTTP status and the error text of its body.

    503 with a text that is not Triton's comes from a gateway without a ready server.
    """
    if status == 503:
        return _by_text(text, otherwise=FailureKind.UNREACHABLE)
    if status == 404 and _NO_VERSION in text:
        return FailureKind.NOT_READY
    return _HTTP.get(status, FailureKind.FAILED)


def tls_kind(text: str, *, otherwise: FailureKind) -> FailureKind:
    """Classify OpenSSL's message: a certificate error, or a connection that broke."""
    return FailureKind.UNTRUSTED if any(pattern in text for pattern in _UNTRUSTED) else otherwise


def plain_text(text: str) -> str:
    """Shorten a message: drop an unset request id and gRPC's prefixes."""
    text = text.removeprefix("[request id: <id_unknown>] ")
    for pattern in _GRPC_PREFIXES:
        text = text.removeprefix(pattern)
    text = _GRPC_WHERE.sub(lambda match: f"{unquote(match[1])}: ", text)
    return _GRPC_NUMBER.sub("", text.replace("Failed to connect to remote host: ", "").replace(": connect: ", ": "))


def _by_text(text: str, *, otherwise: FailureKind) -> FailureKind:
    return next((kind for pattern, kind in _UNAVAILABLE_BY_TEXT if pattern in text), otherwise)
