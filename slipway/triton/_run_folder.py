"""What one server has on disk and in memory, gone when it ends; after a kill, when the next one starts.

    <cache>/servers/<name>/lock          locked for as long as the process lives that made it
    <cache>/servers/<name>/repository/   what tritonserver is shown
    <cache>/servers/<name>/activity/     a counter for each backend process
    /dev/shm/<name>-*                    the backend's shared memory

A lock, not a process id, says whether the owner lives: it is right across containers that share a disk.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from slipway.platform.file_lock import FileLock
from slipway.triton._backend_processes import end_orphans
from slipway.triton._errors import ServeError
from slipway.triton._own_cache import SCRATCH, make_own, remove_old_scratch, require_own

__all__ = ["RunFolder", "forget_shared_memory"]

_PREFIX = "slipway-"
_LOCK = "lock"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the kernel has it


class RunFolder:
    """The folder of one server, which only this user can enter."""

    def __init__(self, cache: Path) -> None:
        """Make it, and remove those whose owners were killed.

        Args:
            cache: Folder of this user's caches.

        Raises:
            ServeError: The cache cannot be written, or others can.
        """
        parent = cache / "servers"
        name = f"{_PREFIX}{secrets.token_hex(6)}"
        try:
            make_own(parent)
            require_own(cache, parent)
            _remove_abandoned(parent)
            scratch = parent / f"{SCRATCH}{name}"
            scratch.mkdir(mode=0o700)
            self._lock = FileLock(scratch / _LOCK)
            with suppress(OSError):  # a file system without locks: it is never considered abandoned
                self._lock.try_acquire()
            # Renamed after it is locked, so that it is never visible without its lock.
            self.path = scratch.rename(parent / name)
        except OSError as exc:
            raise ServeError(
                f"cannot make a folder for the server in {parent}: {exc.strerror}; "
                "name a writable folder in SLIPWAY_CACHE"
            ) from exc

    @property
    def name(self) -> str:
        """Unique on this machine; the shared memory of the server begins with it."""
        return self.path.name

    def close(self) -> None:
        """Remove it, when the server has ended."""
        _remove(self.path)
        self._lock.close()


def forget_shared_memory(name: str) -> None:
    """Remove the shared memory of a server that has ended; what is mapped stays until its process ends."""
    for region in _SHARED_MEMORY.glob(f"{name}-*"):
        with suppress(OSError):
            region.unlink()


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        if _is_abandoned(folder):
            end_orphans(folder.name)
            _remove(folder)
    remove_old_scratch(parent)


def _is_abandoned(folder: Path) -> bool:
    try:
        with FileLock(folder / _LOCK, create=False) as lock:
            return lock.try_acquire()
    except FileNotFoundError:
        return True  # a removal that was cut short: the lock goes first, for it is nothing but a file
    except OSError:
        return False


def _remove(folder: Path) -> None:
    forget_shared_memory(folder.name)
    shutil.rmtree(folder, ignore_errors=True)
