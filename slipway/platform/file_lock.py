"""A file that one process holds at a time, and that its end sets free, however it ends.

    with FileLock(folder / "lock") as lock:
        if not lock.try_acquire():
            print("another process is at work: waiting for it")
            lock.acquire()

It is `flock`, which is right across containers that share a disk, where a process id says nothing. On a network share
it is local to each machine, or not there at all.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["FileLock"]


class FileLock:
    """Open, and not yet held."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open the file.

        Args:
            path: The file; its folder is there.
            create: Make it where it is missing.

        Raises:
            FileNotFoundError: It is missing, and was not to be made.
            OSError: It cannot be opened.
        """
        self._closed = False
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o666)

    def try_acquire(self) -> bool:
        """Take it unless another process holds it, which is said by False.

        Raises:
            OSError: The file system has no locks.
        """
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self) -> None:
        """Wait until nobody else holds it, then take it.

        Raises:
            OSError: The file system has no locks.
        """
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def fileno(self) -> int:
        """The descriptor, which no child inherits."""
        return self._descriptor

    def close(self) -> None:
        """Give it back; the file stays. Once more does nothing."""
        if not self._closed:
            self._closed = True
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
