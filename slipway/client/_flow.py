"""Calls as generators, written once for blocking and asyncio transports.

A call yields `Send`, `Explain`, `Sleep` and `Wait`, receives the response or a `TransportFailure`, and returns its
result. `Classifier` executes it with a blocking transport, `AsyncClassifier` with an asyncio transport.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from slipway.client._operations import Operation
from slipway.client._transport_failures import FailureKind, TransportFailure

__all__ = [
    "AsyncTransport",
    "Explain",
    "FailedRequest",
    "Flow",
    "Response",
    "Send",
    "Sleep",
    "SyncTransport",
    "Wait",
    "send",
]

T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Response(Generic[A]):
    """The result of an operation, and when its connection was opened.

    Another connection may reach another server; one connection always reaches the same server.

    Attributes:
        value: The result.
        connected_ns: `time.monotonic_ns()` when the connection was opened, or later.
        valid_ns: The result was true of the server at the other end at this time or later.
    """

    value: A
    connected_ns: int
    valid_ns: int


@dataclass(frozen=True, slots=True)
class FailedRequest:
    """An operation that failed for good.

    Attributes:
        error: The exception to raise.
        kind: The last failure's.
        status: The last failure's.
    """

    error: Exception
    kind: FailureKind
    status: str


@dataclass(slots=True)
class Send:
    """Send an operation; the reply is a `Response` or a `TransportFailure`, within `timeout_s`."""

    operation: Operation[Any]
    timeout_s: float


@dataclass(slots=True)
class Explain:
    """Probe each address after a failed connection; the reply is a `TransportFailure`, within about `timeout_s`."""

    failure: TransportFailure
    timeout_s: float


@dataclass(slots=True)
class Sleep:
    """Wait; the reply is None."""

    seconds: float


@dataclass(slots=True)
class Wait:
    """Wait for another call of the same client, at most `timeout_s`; the reply is None."""

    signal: Any
    timeout_s: float


Flow: TypeAlias = Generator[Send | Explain | Sleep | Wait, Any, T]
"""A call that returns T once it is executed."""


class SyncTransport(Protocol):
    """Sends operations over one protocol, blocking; thread-safe."""

    def send(self, operation: Operation[A], timeout_s: float) -> Response[A] | TransportFailure:
        """Send; network and server failures are returned, never raised."""

    def conceal(self, failure: TransportFailure) -> TransportFailure:
        """Redact the secrets that were sent."""

    def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:
        """Add detail to a failed connection, where there is any."""

    def close(self) -> None:
        """Close the connections; calls in progress end with `FailureKind.CLOSED`."""


class AsyncTransport(Protocol):
    """Sends operations over one protocol, in one event loop."""

    async def send(self, operation: Operation[A], timeout_s: float) -> Response[A] | TransportFailure:
        """Send; network and server failures are returned, never raised."""

    def conceal(self, failure: TransportFailure) -> TransportFailure:
        """Redact the secrets that were sent."""

    async def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:
        """Add detail to a failed connection, where there is any."""

    async def close(self) -> None:
        """Close the connections; calls in progress end with `FailureKind.CLOSED`."""


def send(operation: Operation[A], timeout_s: float) -> Flow[Response[A] | TransportFailure]:
    """Send an operation with the type of its result, outside the fast path."""
    reply: Response[A] | TransportFailure = yield Send(operation, timeout_s)
    return reply
