"""Read a child process's output line by line, with a time-out.

lines = Lines()
with lines.writer() as descriptor:
    child = ChildProcess(command, output=descriptor)
lines.next(timeout_s=0.5)         # b"a line", or None: none has come whole
list(lines)                       # all the others

A file object's `readline` blocks until every process that holds the other end has closed it.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Lines"]

_READ_BYTES = 65_536


class Lines:
    """Line reader of a pipe, whose read end it owns.

    Attributes:
        ended: Whether the other end is closed.
    """

    def __init__(self) -> None:
        self._descriptor, self._writer = os.pipe()
        self._come = b""
        self.ended = False

    @contextmanager
    def writer(self) -> Iterator[int]:
        """The write end for a child, open in this process only during the block; an error closes both ends."""
        try:
            yield self._writer
        except BaseException:
            self.close()
            raise
        finally:
            os.close(self._writer)

    def next(self, timeout_s: float | None) -> bytes | None:
        """The next complete line without its newline; None after the time-out (None: no limit) or at the end."""
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

    def __iter__(self) -> Iterator[bytes]:
        """Every line until the other end is closed; the last one may lack its end."""
        while (line := self.next(None)) is not None:
            yield line
        if self._come:
            yield self._come

    def close(self) -> None:
        """Close the read end."""
        os.close(self._descriptor)
