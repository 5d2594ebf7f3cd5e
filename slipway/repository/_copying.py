"""Copy listed files and verify them in one pass: the bytes that are copied are the bytes that are hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path

from slipway.contained_path import UnsafePath, contained_path, open_contained
from slipway.repository._manifest import cannot_be_read, is_changed

_BLOCK_BYTES = 1 << 20


def copy_listed(source: Path, listed: Mapping[str, str | None], target: Path, *, mode: int = 0o700) -> list[str]:
    """Copy files, each from one descriptor, and verify the copies.

    Args:
        source: Folder that holds them.
        listed: SHA-256 by path; None is not verified.
        target: Folder to copy to; created if missing.
        mode: Mode of created folders.

    Returns:
        One description per fault; empty if all copies are right.

    Raises:
        OSError: A copy cannot be written.
    """
    wrong = []
    target.mkdir(mode=mode, parents=True, exist_ok=True)
    for name, expected in sorted(listed.items()):
        try:
            file = open_contained(source, name)
        except (OSError, UnsafePath) as exc:
            wrong.append(cannot_be_read(name, exc))
            continue
        with file:
            got = _copy_file(file, contained_path(target, name), mode)
        if expected is not None and got != expected:
            wrong.append(is_changed(name, expected, got))
    return wrong


def _copy_file(source: BufferedReader, target: Path, mode: int) -> str:
    """Copy from an open file; returns the SHA-256 of the copied bytes."""
    target.parent.mkdir(mode=mode, parents=True, exist_ok=True)
    sha256 = hashlib.sha256()
    with target.open("xb") as copy:
        while block := source.read(_BLOCK_BYTES):
            sha256.update(block)
            copy.write(block)
    return sha256.hexdigest()
