"""Calls as generators, written once for blocking and asyncio transports.

A call yields `Send`, `Explain`, `Sleep` and `Wait`, receives the response or a `TransportFailure`, and returns its
result. `run` executes it with a blocking transport, `run_async` with an asyncio transport.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from slipway.client._operations import Operation
from slipway.client._options import NO_LIMIT_S, limited
from slipway.client._transport_failures import TransportFailure

__all__ = [
    "AsyncTransport",
    "Explain",
    "Flow",
    "Response",
    "Send",
    "Sleep",
    "SyncTransport",
    "Wait",
    "ask",
    "run",
    "run_async",
]

T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Response(Generic[A]):
    """An answer, and what is known of the connection that brought it.

    Whoever answers may be another from one connection to the next; over one connection it is always the same server.

    Attributes:
        value: The answer.
        connected_ns: `time.monotonic_ns()` when the connection was opened, or later.
        valid_ns: A time at which the answer was true of whoever is at the other end of that connection, or earlier.
    """

    value: A
    connected_ns: int
    valid_ns: int


@dataclass(slots=True)
class Send:
    """Ask the server; the reply is `Response` or a TransportFailure, at most `timeout_s` later."""

    operation: Operation[Any]
    timeout_s: float


@dataclass(slots=True)
class Explain:
    """Look closer at why no address could be used; the reply is a TransportFailure, about `timeout_s` later at most."""

    failure: TransportFailure
    timeout_s: float


@dataclass(slots=True)
class Sleep:
    """Wait; the reply is None."""

    seconds: float


@dataclass(slots=True)
class Wait:
    """Wait for what another call of the same client does, at most `timeout_s`; the reply is None."""

    signal: Any
    timeout_s: float


Flow: TypeAlias = Generator[Send | Explain | Sleep | Wait, Any, T]
"""A call that returns T when it is carried out."""


class SyncTransport(Protocol):
    """Carries operations over one protocol, blocking; thread-safe."""

    def send(self, operation: Operation[A], timeout_s: float) -> Response[A] | TransportFailure:
        """Ask; never raises for what the network or the server does."""

    def conceal(self, failure: TransportFailure) -> TransportFailure:
        """Take what was sent in confidence out of its words."""

    def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:
        """Say more of a connection that failed, where there is more to find out."""

    def close(self) -> None:
        """Give connections back; calls under way end with `FailureKind.CLOSED`."""


class AsyncTransport(Protocol):
    """Carries operations over one protocol, in one event loop."""

    async def send(self, operation: Operation[A], timeout_s: float) -> Response[A] | TransportFailure:
        """Ask; never raises for what the network or the server does."""

    def conceal(self, failure: TransportFailure) -> TransportFailure:
        """Take what was sent in confidence out of its words."""

    async def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:
        """Say more of a connection that failed, where there is more to find out."""

    async def close(self) -> None:
        """Give connections back; calls under way end with `FailureKind.CLOSED`."""


def ask(operation: Operation[A], timeout_s: float) -> Flow[Response[A] | TransportFailure]:
    """Send with the answer's type kept, for calls that are not on the fast path."""
    reply: Response[A] | TransportFailure = yield Send(operation, timeout_s)
    return reply


def run(steps: Flow[T], transport: SyncTransport) -> T:
    """Carry a call out in this thread."""
    reply: object = None
    try:
        while True:
            step = steps.send(reply)
            reply = None
            if isinstance(step, Send):
                reply = transport.send(step.operation, step.timeout_s)
            elif isinstance(step, Explain):
                reply = transport.explain(step.failure, step.timeout_s)
            elif isinstance(step, Sleep):
                time.sleep(step.seconds)
            else:
                step.signal.wait(min(step.timeout_s, NO_LIMIT_S))
            if isinstance(reply, TransportFailure):
                reply = transport.conceal(reply)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:  # an interrupted call lets go of what others wait for
        steps.close()


async def run_async(steps: Flow[T], transport: AsyncTransport) -> T:
    """Carry a call out in the running event loop."""
    reply: object = None
    try:
        while True:
            step = steps.send(reply)
            reply = None
            if isinstance(step, Send):
                reply = await transport.send(step.operation, step.timeout_s)
            elif isinstance(step, Explain):
                reply = await transport.explain(step.failure, step.timeout_s)
            elif isinstance(step, Sleep):
                await asyncio.sleep(step.seconds)
            else:
                await _wait(step)
            if isinstance(reply, TransportFailure):
                reply = transport.conceal(reply)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        steps.close()


async def _wait(step: Wait) -> None:
    try:
        async with asyncio.timeout(limited(step.timeout_s)):
            await step.signal.wait()
    except TimeoutError:
        return
