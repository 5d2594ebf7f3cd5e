"""Files that appear whole or not at all, and where it is asked for, are still there after a power cut.

    write_atomically(Path("values.yaml"), text)               # nobody ever reads half of it
    with replacing(path, durable=True) as scratch:            # written by somebody else's function
        scratch.write_bytes(content)
    fsync(folder)                                             # its list of names is on the disk

Durable is what cannot be made again, or what a reader trusts by its name alone: versions, checkpoints, a cached data
set. Reports and the files of running programs are written again, and only have to be whole.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["fsync", "replacing", "write_atomically"]


def write_atomically(path: Path, text: str) -> None:
    """Write beside the goal, then rename.

    Args:
        path: The goal; its folder is made where it is missing.
        text: All of it; written as UTF-8.

    Raises:
        OSError: The folder cannot be made or written, or the disk is full; what was there is as it was.
    """
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yields where to write; what is there at the end takes the goal's place in one rename.

    Not a file of `tempfile`: its mode 0600 would hide what is shared from other users.

    Args:
        path: The goal; its folder is made where it is missing.
        durable: Contents and name are on the disk before this returns.

    Raises:
        OSError: The folder cannot be made or written, or the disk is full; what was there is as it was, and nothing
            is left beside it. So too when the block raises. With `durable` it may also be the folder that cannot be
            synchronised, after the file has taken its place.
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
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
