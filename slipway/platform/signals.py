"""Signal handling for the commands.

    with signals_as_interrupt():       # SIGTERM and SIGHUP act like Ctrl-C
    with ended_by_sigterm():           # resources are released, then exit code 143
    with stop_requests() as stop:      # a loop checks `stop` where it can stop
    await until_signalled(serve())     # asyncio: cancelled at SIGTERM and SIGINT
    with handling(handler, signal.SIGINT):      # a custom handler

All but `stop_requests` must be used in the main thread, where Python accepts signal handlers.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = [
    "ended_by_sigterm",
    "handling",
    "raise_interrupt",
    "signals_as_interrupt",
    "stop_requests",
    "until_signalled",
]

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def handling(handler: Handler, *numbers: signal.Signals, once: bool = False) -> Iterator[None]:
    """Handle signals within the block; with `once` only the first, after which the previous handler applies."""
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, earlier in before.items():
            signal.signal(number, earlier)

    def handle(number: int, frame: FrameType | None) -> None:
        if once:
            restore()
        handler(number, frame)

    try:
        for number in numbers:
            signal.signal(number, handle)
        yield
    finally:
        restore()


def raise_interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """A signal handler that acts like Ctrl-C."""
    raise KeyboardInterrupt


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGTERM and SIGHUP; an ignored signal, as under nohup, stays ignored."""
    heard = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    with handling(raise_interrupt, *heard):
        yield


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Leave the block with `SystemExit` when SIGTERM arrives.

    An evicted pod gets SIGTERM, which process 1 ignores without a handler.
    """

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    with handling(leave, signal.SIGTERM):
        yield


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Yields an event that the first SIGINT or SIGTERM sets; for a second one the previous handler applies.

    For loops in which Python's KeyboardInterrupt, raised between any two instructions, could occur inside a finalizer
    and be lost; and with TensorFlow's multi-worker runtime, which handles SIGTERM itself. Outside the main thread the
    event stays unset.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    with handling(lambda *_: stop.set(), signal.SIGINT, signal.SIGTERM, once=True):
        yield stop


async def until_signalled(program: Awaitable[None]) -> None:
    """Await a program, and cancel it at SIGTERM or SIGINT."""
    task = asyncio.ensure_future(program)
    loop = asyncio.get_running_loop()
    signalled = False

    def stop() -> None:
        nonlocal signalled
        signalled = True
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not signalled:
            raise
