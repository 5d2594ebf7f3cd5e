"""Lines out of a pipe, waited for so long and no longer.

    lines = Lines(read_end)
    lines.next(0.5)              # b"a line", or None: none has come whole

A file object's `readline` waits until the last process that holds the other end has closed it, however long that is.
"""

from __future__ import annotations

import os
import select

__all__ = ["Lines"]

_READ_BYTES = 65_536


class Lines:
    """Of one file descriptor, which it owns."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._come = b""
        self.ended = False
        """The other end is closed: nothing more comes."""

    def next(self, timeout_s: float) -> bytes | None:
        """The next whole line without its end; None when none comes within the time, or ever."""
        while b"\n" not in self._come and not self.ended:
            if not select.select([self._descriptor], [], [], timeout_s)[0]:
                return None
            portion = os.read(self._descriptor, _READ_BYTES)
            self._come += portion
            self.ended = not portion
        line, end, rest = self._come.partition(b"\n")
        if not end:
            return None
        self._come = rest
        return line

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
