"""A scratch folder that its owner holds a lock on, so that what a killed process left can be told and removed."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from slipway.repository._layout import SCRATCH_PREFIX


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Make a locked, empty folder in `parent`; remove it at the end if it was not renamed away.

    The name comes from `mkdir`, not from `mkdtemp`: mode 0700 would hide a version from Triton's user.
    """
    remove_abandoned(parent)
    folder, lock = _make_locked(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_abandoned(parent: Path) -> None:
    """Remove the scratch folders whose owner is gone: the kernel dropped its lock."""
    for folder in parent.glob(f"{SCRATCH_PREFIX}*"):
        with suppress(OSError):  # somebody else's, in use, or removed by somebody else just now
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _make_locked(parent: Path) -> tuple[Path, int]:
    while True:
        folder = parent / f"{SCRATCH_PREFIX}{secrets.token_hex(8)}"
        folder.mkdir()
        lock = -1
        with suppress(OSError):  # removed between mkdir and lock: make another
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.stat().st_ino == os.fstat(lock).st_ino:
                return folder, lock
        if lock >= 0:
            os.close(lock)
