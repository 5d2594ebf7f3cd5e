"""Folders of the cache from which a server loads programs: only this user and root may write them.

A library, a Python file or a TensorRT engine runs with this user's rights. A digest beside it proves nothing
if another user can write both, for example in a SLIPWAY_CACHE below /tmp that this other user made first.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from slipway.triton._errors import CacheUnsafe

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SCRATCH", "is_own", "make_own", "remove_old_scratch", "require_own"]

SCRATCH = ".new-"
"""What the name of a folder begins with until it is complete and renamed."""
_SCRATCH_LASTS_S = 3600.0
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make_own(folder: Path) -> None:
    """Make a folder that only this user enters, and its missing parents, which only this user writes.

    A umask of 002, the default of many distributions, would let the group write them.

    Raises:
        OSError: It cannot be made.
    """
    for parent in reversed([parent for parent in folder.parents if not parent.exists()]):
        parent.mkdir(mode=0o755, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def is_own(path: Path) -> bool:
    """Whether it exists and only this user and root can write it."""
    try:
        return _is_own(path.stat())
    except OSError:
        return False


def require_own(cache: Path, *folders: Path) -> None:
    """Check that no other user can put a file into the cache; missing folders are skipped.

    A folder of this user's that Slipway has named itself is closed to others instead. In a sticky cache, such as /tmp,
    users cannot replace each other's files.

    Args:
        cache: Folder of this user's caches.
        folders: Folders in it, each after its parent.

    Raises:
        CacheUnsafe: Says the owner and the mode.
    """
    for path in (cache, *folders):
        try:
            if path != cache or not os.environ.get("SLIPWAY_CACHE"):
                _close(path)
            state = path.stat()
        except OSError:
            continue
        if not _is_own(state, sticky_is_enough=path == cache):
            raise CacheUnsafe(
                f"expected {path} to be writable by this user alone (uid {os.getuid()}), it belongs to uid "
                f"{state.st_uid} with mode {stat.S_IMODE(state.st_mode):04o}: another user could replace programs in "
                "it; set SLIPWAY_CACHE to a folder of your own, or make this one so (chown, chmod go-w)"
            )


def remove_old_scratch(parent: Path) -> None:
    """Remove the scratch folders of processes that were killed: those that are an hour old."""
    for scratch in parent.glob(f"{SCRATCH}*"):
        with suppress(OSError):
            if time.time() - scratch.stat().st_mtime > _SCRATCH_LASTS_S:
                shutil.rmtree(scratch, ignore_errors=True)


def _is_own(state: os.stat_result, *, sticky_is_enough: bool = False) -> bool:
    sticky = sticky_is_enough and state.st_mode & stat.S_ISVTX
    return state.st_uid in (0, os.getuid()) and (bool(sticky) or not state.st_mode & _OTHERS_WRITE)


def _close(path: Path) -> None:
    state = path.stat()
    if state.st_uid == os.getuid() and state.st_mode & _OTHERS_WRITE and not state.st_mode & stat.S_ISVTX:
        path.chmod(stat.S_IMODE(state.st_mode) & ~_OTHERS_WRITE)
