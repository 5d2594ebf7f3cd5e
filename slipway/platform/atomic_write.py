"""Write files atomically, and durably if requested.

    write_atomically(Path("values.yaml"), text)               # a reader never sees half of it
    with replacing(path, durable=True) as scratch:            # for a function that writes to a path
        scratch.write_bytes(content)
    fsync(folder)                                             # its directory entries are on the disk

Durable are files that cannot be regenerated, or that a reader trusts by name: versions, checkpoints, a cached data set.
Reports and the files of running programs only have to be complete.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["fsync", "replacing", "write_atomically"]


def write_atomically(path: Path, text: str) -> None:
    """Write to a temporary file, then rename.

    Args:
        path: The file; its folder is created if missing.
        text: Its contents; written as UTF-8.

    Raises:
        OSError: The folder cannot be created or written, or the disk is full; an existing file is unchanged.
    """
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yields a temporary path, which is renamed to the file at the end.

    Not a file of `tempfile`, whose mode 0600 would hide shared files from other users.

    Args:
        path: The file; its folder is created if missing.
        durable: Contents and name are on the disk before this returns.

    Raises:
        OSError: The folder cannot be created or written, or the disk is full; an existing file is unchanged and the
            temporary one removed, as when the block raises. With `durable` also if the folder cannot be synchronised
            after the rename.
    """
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield scratch
        if durable:
            fsync(scratch)
        scratch.replace(path)
    except BaseException:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise
    if durable:
        fsync(path.parent)


def fsync(path: Path) -> None:
    """Wait until a file, or a folder's directory entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
