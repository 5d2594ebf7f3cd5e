"""A file lock that one process holds at a time, and that its end releases, even if it is killed.

    with FileLock(folder / "lock") as lock:
        if not lock.try_acquire():
            print("another process holds the lock: waiting for it")
            lock.acquire()

It uses `flock`, which works across containers that share a disk, unlike process ids. On a network share it is local to
each machine, or not supported.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["FileLock"]


class FileLock:
    """An opened lock file, not yet locked."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open the file.

        Args:
            path: The file; its folder must exist.
            create: Create a missing file.

        Raises:
            FileNotFoundError: It is missing, and `create` is false.
            OSError: It cannot be opened.
        """
        self._closed = False
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o666)

    def try_acquire(self) -> bool:
        """Acquire the lock; False if another process holds it.

        Raises:
            OSError: The file system does not support locks.
        """
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self) -> None:
        """Wait for the lock, and acquire it.

        Raises:
            OSError: The file system does not support locks.
        """
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def fileno(self) -> int:
        """The descriptor, which no child inherits."""
        return self._descriptor

    def close(self) -> None:
        """Release the lock; the file stays. Idempotent."""
        if not self._closed:
            self._closed = True
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
