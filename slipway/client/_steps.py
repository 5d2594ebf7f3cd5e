"""The language between what a call decides and what carries it out.

A call is a generator: it yields `Send`, `Explain`, `Sleep` and `Wait`, receives the answer or the Fault, and returns
its result. So it is written once; `run` carries it out with a blocking transport, `run_async` with an asyncio one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from slipway.client._faults import Fault
from slipway.client._options import NO_LIMIT_S, limited
from slipway.client._questions import Question

__all__ = [
    "Answered",
    "AsyncTransport",
    "Explain",
    "Send",
    "Sleep",
    "Steps",
    "SyncTransport",
    "Wait",
    "ask",
    "run",
    "run_async",
]

T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Answered(Generic[A]):
    """An answer, and what is known of the connection that brought it.

    Whoever answers may be another from one connection to the next; over one connection it is always the same server.

    Attributes:
        value: The answer.
        connected_ns: `time.monotonic_ns()` when the connection was opened, or later.
        true_ns: A time at which the answer was true of whoever is at the other end of that connection, or earlier.
    """

    value: A
    connected_ns: int
    true_ns: int


@dataclass(slots=True)
class Send:
    """Ask the server; the reply is `Answered` or a Fault, at most `timeout_s` later."""

    question: Question[Any]
    timeout_s: float


@dataclass(slots=True)
class Explain:
    """Look closer at why no address could be used; the reply is a Fault, about `timeout_s` later at most."""

    fault: Fault
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


Steps: TypeAlias = Generator[Send | Explain | Sleep | Wait, Any, T]
"""A call that returns T when it is carried out."""


class SyncTransport(Protocol):
    """Carries questions over one protocol, blocking; thread-safe."""

    def send(self, question: Question[A], timeout_s: float) -> Answered[A] | Fault:
        """Ask; never raises for what the network or the server does."""

    def conceal(self, fault: Fault) -> Fault:
        """Take what was sent in confidence out of its words."""

    def explain(self, fault: Fault, timeout_s: float) -> Fault:
        """Say more of a connection that failed, where there is more to find out."""

    def close(self) -> None:
        """Give connections back; calls under way end with `FaultKind.CLOSED`."""


class AsyncTransport(Protocol):
    """Carries questions over one protocol, in one event loop."""

    async def send(self, question: Question[A], timeout_s: float) -> Answered[A] | Fault:
        """Ask; never raises for what the network or the server does."""

    def conceal(self, fault: Fault) -> Fault:
        """Take what was sent in confidence out of its words."""

    async def explain(self, fault: Fault, timeout_s: float) -> Fault:
        """Say more of a connection that failed, where there is more to find out."""

    async def close(self) -> None:
        """Give connections back; calls under way end with `FaultKind.CLOSED`."""


def ask(question: Question[A], timeout_s: float) -> Steps[Answered[A] | Fault]:
    """Send with the answer's type kept, for calls that are not on the fast path."""
    reply: Answered[A] | Fault = yield Send(question, timeout_s)
    return reply


def run(steps: Steps[T], transport: SyncTransport) -> T:
    """Carry a call out in this thread."""
    reply: object = None
    try:
        while True:
            step = steps.send(reply)
            reply = None
            if isinstance(step, Send):
                reply = transport.send(step.question, step.timeout_s)
            elif isinstance(step, Explain):
                reply = transport.explain(step.fault, step.timeout_s)
            elif isinstance(step, Sleep):
                time.sleep(step.seconds)
            else:
                step.signal.wait(min(step.timeout_s, NO_LIMIT_S))
            if isinstance(reply, Fault):
                reply = transport.conceal(reply)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:  # an interrupted call lets go of what others wait for
        steps.close()


async def run_async(steps: Steps[T], transport: AsyncTransport) -> T:
    """Carry a call out in the running event loop."""
    reply: object = None
    try:
        while True:
            step = steps.send(reply)
            reply = None
            if isinstance(step, Send):
                reply = await transport.send(step.question, step.timeout_s)
            elif isinstance(step, Explain):
                reply = await transport.explain(step.fault, step.timeout_s)
            elif isinstance(step, Sleep):
                await asyncio.sleep(step.seconds)
            else:
                await _wait(step)
            if isinstance(reply, Fault):
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
