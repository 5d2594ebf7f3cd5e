"""Being told to end from outside, treated as Ctrl-C: what cleans up after Ctrl-C cleans up then too.

with signals_as_interrupt():
    ...                        # SIGTERM, or a terminal that is closed, raises KeyboardInterrupt
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = ["signals_as_interrupt"]


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGTERM and SIGHUP; one that is ignored, as under nohup, stays so.

    To be entered in the main thread.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    heard = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
