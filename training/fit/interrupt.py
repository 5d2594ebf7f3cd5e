"""Let a person or an orchestrator stop a long loop at a place of the loop's choosing.

    with stop_requests() as stop:
        for step in steps:
            ...
            if stop.is_set():
                raise KeyboardInterrupt

Python's own answer to Ctrl-C, an exception between any two instructions, is lost when it comes up inside a finalizer;
and TensorFlow's multi-worker runtime catches SIGTERM for itself.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stop_requests"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Give an event that the first SIGINT or SIGTERM sets; a second one does what it did before.

    Outside the main thread, where Python takes no signal handlers, the event stays unset.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def on_first_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        restore()

    for number in _SIGNALS:
        signal.signal(number, on_first_signal)
    try:
        yield stop
    finally:
        restore()
