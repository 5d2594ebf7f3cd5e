"""Validate untrusted paths: they must stay inside a folder.

    check_relative(key)                       # the text alone: an object's key, a manifest's entry
    contained_path(folder, "configs/gpu.pbtxt")   # and the disk: no symbolic link in the path
    refuse_collisions(keys)                   # no two names are the same file on any file system
    with open_contained(folder, name) as file:    # never follows a link, even one created meanwhile

Every name from a bucket, a manifest, a request or an argument is validated here.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.printable import printable

__all__ = ["UnsafePath", "check_relative", "contained_path", "folded", "open_contained", "refuse_collisions"]

MAX_PATH_BYTES = 1024
"""Longest key that object stores allow; every file system accepts it."""
MAX_SEGMENT_BYTES = 255
"""Longest file name that file systems allow."""

_DRIVE = re.compile(r"[A-Za-z]:")
_EXPECTED = "expected a path inside the folder, such as configs/gpu.pbtxt"


class UnsafePath(SlipwayError, ValueError):
    """An untrusted path would leave its folder, or is not portable between file systems."""


def check_relative(name: str) -> tuple[str, ...]:
    """Split a path into its segments, if it is a safe relative path.

    Args:
        name: Segments with `/` between them.

    Raises:
        UnsafePath: It is absolute, too long, not in Unicode's form NFC, has an empty segment, `.`, `..`, a backslash,
            a drive letter or a character that cannot be printed.
    """
    parts = tuple(name.split("/"))
    reason = _name_fault(name) or next((fault for part in parts if (fault := _segment_fault(part))), None)
    if reason is not None:
        raise UnsafePath(f"{_EXPECTED}, got '{printable(name, limit=120)}': {reason}. Rename it at its source")
    return parts


def contained_path(root: Path, name: str) -> Path:
    """The path below `root`, if neither its text nor a link on disk leads out of it.

    Args:
        root: A trusted folder; it may itself be reached through a link.
        name: Segments with `/` between them; the file need not exist.

    Raises:
        UnsafePath: As for `check_relative`; or a parent is a link or not a folder. The last segment may not be a link
            either: a write would follow it.
        OSError: A path segment cannot be examined.
    """
    parts, path = check_relative(name), root
    for depth, part in enumerate(parts, start=1):
        path = path / part
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            break
        if stat.S_ISLNK(mode):
            raise UnsafePath(_in_the_way(root, name, path, "a symbolic link"))
        if depth < len(parts) and not stat.S_ISDIR(mode):
            raise UnsafePath(_in_the_way(root, name, path, "no folder"))
    return root.joinpath(*parts)


def open_contained(root: Path, name: str) -> BufferedReader:
    """Open a regular file below `root` for reading: no link is followed, no pipe or device is read.

    Every segment is opened relative to the one before it, so a link that is created meanwhile is not followed.

    Raises:
        UnsafePath: As for `contained_path`; or it is not a regular file.
        OSError: It does not exist, or cannot be read.
    """
    *folders, last = check_relative(name)
    closed = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            inner = os.open(folder, closed | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at = inner
        if not stat.S_ISREG(os.stat(last, dir_fd=at, follow_symlinks=False).st_mode):  # a device is not even opened
            raise UnsafePath(_in_the_way(root, name, root / name, "not a regular file"))
        descriptor = os.open(last, closed | os.O_NONBLOCK, dir_fd=at)
    except OSError as exc:
        if exc.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise UnsafePath(_in_the_way(root, name, root / name, "behind a symbolic link or a file")) from exc
        raise
    finally:
        os.close(at)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise UnsafePath(_in_the_way(root, name, root / name, "not a regular file"))
    return file


def refuse_collisions(names: Iterable[str]) -> None:
    """Reject a list in which two names would be one file, or a file and a folder, on some file system.

    Some file systems ignore case or Unicode normalisation forms: a complete copy here could lose files there.

    Args:
        names: Paths of files, each as `check_relative` accepts it.

    Raises:
        UnsafePath: Two names collide or are equal; or `check_relative` rejects one.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in names:
        parts = check_relative(name)
        for folder in ("/".join(parts[:depth]) for depth in range(1, len(parts))):
            key = folded(folder)
            _refuse_two(files.get(key), name)
            _refuse_two(known if (known := folders.setdefault(key, folder)) != folder else None, name)
        key = folded(name)
        _refuse_two(files.get(key) or folders.get(key), name)
        files[key] = name


def folded(name: str) -> str:
    """Equal for all names that some file systems treat as the same (Unicode canonical caseless match)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _refuse_two(known: str | None, name: str) -> None:
    if known is not None:
        raise UnsafePath(
            f"expected names that differ on every file system, got '{printable(known, limit=120)}' and "
            f"'{printable(name, limit=120)}'. Rename one of them at its source"
        )


def _name_fault(name: str) -> str | None:
    if not name.isprintable():
        return "it has a control character, or another unprintable one"
    if len(name.encode()) > MAX_PATH_BYTES:
        return f"it is longer than {MAX_PATH_BYTES} bytes"
    if not unicodedata.is_normalized("NFC", name):
        return "it is not in Unicode normalisation form NFC, the only one that every file system keeps"
    return "it has a backslash" if "\\" in name else None


def _segment_fault(segment: str) -> str | None:
    if not segment:
        return "it is absolute, or has an empty segment"
    if segment in {".", ".."}:
        return f"it has a segment '{segment}'"
    if _DRIVE.match(segment):
        return "it has a drive letter"
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        return f"a segment is longer than {MAX_SEGMENT_BYTES} bytes"
    return None


def _in_the_way(root: Path, name: str, path: Path, what: str) -> str:
    at = printable(str(path.relative_to(root)), limit=120)
    return (
        f"{root}: expected only regular folders and files in the path '{printable(name, limit=120)}', but '{at}' is "
        f"{what}. Replace it by a copy, or remove it"
    )
