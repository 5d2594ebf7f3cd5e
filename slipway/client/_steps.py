"""The language between what a call decides and what carries it out.

A call is a generator: it yields `Send` and `Sleep`, receives the answer or the Fault, and returns its result. So it
is written once; `run` carries it out with a blocking transport, `run_async` with an asyncio one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from slipway.client._faults import Fault
from slipway.client._questions import Question

__all__ = ["AsyncTransport", "Send", "Sleep", "Steps", "SyncTransport", "ask", "run", "run_async"]

T = TypeVar("T")
A = TypeVar("A")


@dataclass(slots=True)
class Send:
    """Ask the server; the reply is the question's answer or a Fault, at most `timeout_s` later."""

    question: Question[Any]
    timeout_s: float


@dataclass(slots=True)
class Sleep:
    """Wait; the reply is None."""

    seconds: float


Steps: TypeAlias = Generator[Send | Sleep, Any, T]
"""A call that returns T when it is carried out."""


class SyncTransport(Protocol):
    """Carries questions over one protocol, blocking; thread-safe."""

    def send(self, question: Question[A], timeout_s: float) -> A | Fault:
        """Ask; never raises for what the network or the server does."""

    def close(self) -> None:
        """Give connections back; calls under way end with `FaultKind.CLOSED`."""


class AsyncTransport(Protocol):
    """Carries questions over one protocol, in one event loop."""

    async def send(self, question: Question[A], timeout_s: float) -> A | Fault:
        """Ask; never raises for what the network or the server does."""

    async def close(self) -> None:
        """Give connections back; calls under way end with `FaultKind.CLOSED`."""


def ask(question: Question[A], timeout_s: float) -> Steps[A | Fault]:
    """Send with the answer's type kept, for calls that are not on the fast path."""
    reply: A | Fault = yield Send(question, timeout_s)
    return reply


def run(steps: Steps[T], transport: SyncTransport) -> T:
    """Carry a call out in this thread."""
    reply: object = None
    try:
        while True:
            step = steps.send(reply)
            if isinstance(step, Send):
                reply = transport.send(step.question, step.timeout_s)
            else:
                time.sleep(step.seconds)
                reply = None
    except StopIteration as done:
        result: T = done.value
        return result


async def run_async(steps: Steps[T], transport: AsyncTransport) -> T:
    """Carry a call out in the running event loop."""
    reply: object = None
    try:
        while True:
            step = steps.send(reply)
            if isinstance(step, Send):
                reply = await transport.send(step.question, step.timeout_s)
            else:
                await asyncio.sleep(step.seconds)
                reply = None
    except StopIteration as done:
        result: T = done.value
        return result
