"""Files of a version on their way to the disk: copied and compared, readable by other users, and durable.

What is copied is compared while it is made: the bytes that were read are the bytes that count.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from slipway.contained_path import UnsafePath, contained_path, open_contained
from slipway.platform.atomic_write import fsync
from slipway.repository._manifest import cannot_be_read, is_changed
from slipway.repository._scratch import scratch_folder

_BLOCK_BYTES = 1 << 20
_TRIES = 10


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, readable by other users; each name is durable before it is used."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        fsync(folder.parent)


@contextmanager
def scratch_in_model_folder(model_dir: Path) -> Iterator[Path]:
    """As `scratch_folder`, in a model's folder that is created if missing, and that is not left behind empty.

    Raises:
        OSError: A folder cannot be created.
    """
    with ExitStack() as stack:
        for left in reversed(range(_TRIES)):
            stack.enter_context(_removed_if_empty(model_dir))
            try:
                make_folder(model_dir)
                scratch = stack.enter_context(scratch_folder(model_dir))
                break
            except FileNotFoundError:  # another publisher, which had created the folder, has just removed it
                if not left:
                    raise
        yield scratch


@contextmanager
def _removed_if_empty(folder: Path) -> Iterator[None]:
    """Remove what is missing now of a folder and its parents, unless it holds something at the end."""
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    try:
        yield
    finally:
        for each in missing:
            with suppress(OSError):  # not empty, or not created
                each.rmdir()


def replace_file(target: Path, staged: Path, text: str) -> bool:
    """Replace a file's text with one rename; returns whether it was necessary.

    Args:
        target: The file; its folder is created if missing.
        staged: Temporary file for the text, on the same file system.
        text: Written as UTF-8.
    """
    if not target.is_symlink() and target.is_file() and target.read_bytes() == text.encode():
        return False
    staged.parent.mkdir(parents=True, exist_ok=True)
    staged.write_text(text, encoding="utf-8")
    staged.chmod(0o644)
    fsync(staged)
    make_folder(target.parent)
    staged.replace(target)
    fsync(target.parent)
    return True


def seal_folder(folder: Path) -> None:
    """Make everything below a folder readable by other users and durable."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        fsync(path)
    os.utime(folder)  # copied folders have the modification time of their source


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
