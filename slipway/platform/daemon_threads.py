"""Run functions that may block for ever in daemon threads, which no executor, event loop or process exit waits for.

    in_daemon_thread(look_up, name="resolver")                                      # a Future
    bounded(lambda: system.find(root), limit_s=120, name="remote-store")            # its result, or TimeoutError

A call that blocks in the kernel, or in a library without a time-out, cannot be cancelled, only abandoned. Threads of an
executor are joined when an event loop or the process ends: a blocked one would keep it alive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

__all__ = ["bounded", "in_daemon_thread"]

T = TypeVar("T")


def in_daemon_thread(action: Callable[[], T], *, name: str) -> Future[T]:
    """Start a function in a thread of this name; its future cannot be cancelled."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # a waiter can no longer cancel it

    def run() -> None:
        try:
            result = action()
        except BaseException as exc:  # noqa: BLE001 - raised again in the waiting thread
            future.set_exception(exc)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def bounded(action: Callable[[], T], *, limit_s: float, name: str) -> T:
    """Run a function, and stop waiting after `limit_s`.

    Raises:
        TimeoutError: It took longer, and is still running.
        Exception: Whatever it raises.
    """
    future = in_daemon_thread(action, name=name)
    wait([future], limit_s)
    if not future.done():
        raise TimeoutError(f"no answer within {limit_s:.0f} s")
    return future.result()
