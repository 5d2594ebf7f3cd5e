"""SIGTERM as an orderly end: what a command holds is given back before the process is gone.

with ended_by_sigterm():       # a pod that is evicted gets SIGTERM, and as process 1 it would not even notice
    push(...)                  # gives its claim back
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_STATUS = 128 + signal.SIGTERM


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Leave the block with `SystemExit` when SIGTERM arrives; for the main thread."""

    def leave(*_details: object) -> None:
        sys.exit(EXIT_STATUS)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
