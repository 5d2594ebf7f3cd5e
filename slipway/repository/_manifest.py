"""Write, read and verify the manifest of a version's folder.

A version's folder holds only regular files that the manifest lists, and their folders. This is checked before any file
is read: reading a pipe or a device could block for ever.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NoReturn

from slipway.contained_path import UnsafePath, open_contained
from slipway.printable import printable
from slipway.repository._errors import PublishFailed, VersionDamaged, VersionNotFound
from slipway.repository._manifest_text import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    ManifestInvalid,
    parse_manifest,
    render_manifest,
)

_MAX_NAMED = 10
_MOST_WRITTEN = 100_000
"""Largest number of folder entries that are examined before a manifest is written; its own limit is far lower."""


def write_manifest(folder: Path) -> None:
    """List every file below `folder`, sorted by path.

    Raises:
        PublishFailed: The folder holds a link, an empty folder or a forbidden name, or no file.
    """
    modes = dict(islice(_walk(folder), _MOST_WRITTEN))
    files = sorted(name for name, mode in modes.items() if stat.S_ISREG(mode) and name != MANIFEST)
    wrong = [f"'{printable(name)}' is {_kind(mode)}" for name, mode in _strangers(modes, files)]
    if wrong:
        raise PublishFailed(f"cannot publish {_some(wrong)}: expected regular files, and folders that hold some")
    try:
        text = render_manifest({name: digest(folder, name) for name in files})
    except (ManifestInvalid, UnsafePath) as exc:
        raise PublishFailed(f"cannot publish these files: in their manifest, {exc}") from exc
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, str]:
    """SHA-256 by path below `folder`.

    Raises:
        VersionDamaged: The manifest is missing, not a regular file, or invalid.
        VersionNotFound: The whole folder is gone.
    """
    return listed_in(folder, read_manifest_bytes(folder))


def listed_in(folder: Path, content: bytes) -> dict[str, str]:
    """SHA-256 by path, from the bytes of a version's manifest.

    Raises:
        VersionDamaged: The manifest is invalid.
    """
    try:
        return parse_manifest(content)
    except ManifestInvalid as exc:
        raise VersionDamaged(f"{folder / MANIFEST}: {exc}; publish the version again") from exc


def read_manifest_bytes(folder: Path) -> bytes:
    """The manifest's bytes, at most one more than allowed; for comparing two manifests.

    Raises:
        VersionDamaged: There is no readable manifest, or the folder is a symbolic link.
        VersionNotFound: The whole folder is gone.
    """
    refuse_gone(folder)
    if folder.is_symlink():
        raise VersionDamaged(f"{folder} is a symbolic link: expected a folder. Replace it by a copy")
    try:
        with open_contained(folder, MANIFEST) as file:
            return file.read(MAX_MANIFEST_BYTES + 1)
    except (OSError, UnsafePath) as exc:
        refuse_gone(folder)
        raise VersionDamaged(f"{folder / MANIFEST}: no readable manifest ({_why(exc)}); publish it again") from exc


def check_manifest(folder: Path) -> dict[str, str]:
    """Compare everything below a version's folder with its manifest, and return the manifest.

    Raises:
        VersionDamaged: Names each file that is changed, missing, not listed, or not a regular file.
        VersionNotFound: The whole folder is gone: it was pruned meanwhile.
    """
    listed = read_manifest(folder)
    wrong = find_unlisted(folder, listed) or find_changed(folder, listed)
    if wrong:
        raise_damaged(folder, wrong)
    return listed


def raise_damaged(folder: Path, wrong: list[str]) -> NoReturn:
    """Raise with the list of faults of a version, or report that the version was removed meanwhile.

    Raises:
        VersionDamaged: The version exists.
        VersionNotFound: The version was removed.
    """
    refuse_gone(folder)
    if manifest_alone(folder):
        raise VersionDamaged(
            f"{folder} holds only the manifest, as `slipway models pull` without --all leaves it: "
            "`slipway models pull URL --all` copies its files"
        )
    raise VersionDamaged(f"{folder}: {_some(wrong)}. Do not serve it: publish again, or `slipway models rollback`")


def find_unlisted(folder: Path, listed: Mapping[str, str]) -> list[str]:
    """Describe files that are unlisted, missing, or not regular; no file is read."""
    most = len(listed) + len(_folders_of(listed)) + 1 + _MAX_NAMED
    try:
        modes = dict(islice(_walk(folder), most + 1))
    except OSError as exc:
        return [f"it cannot be listed ({_why(exc)})"]
    wrong = [f"{name} is {_kind(modes[name])}, expected a file" for name in sorted(listed) if _is_no_file(modes, name)]
    wrong += [f"{printable(name)} is {_kind(mode)}, and not listed" for name, mode in _strangers(modes, listed)]
    files = {name for name, mode in modes.items() if stat.S_ISREG(mode)}
    wrong += [f"{printable(name)} is not listed" for name in sorted(files - listed.keys() - {MANIFEST})]
    if len(modes) <= most:
        wrong += [f"{name} is missing" for name in sorted(listed.keys() - modes.keys())]
    return wrong


def find_changed(folder: Path, listed: Mapping[str, str]) -> list[str]:
    """Describe listed files whose SHA-256 differs."""
    wrong = []
    for name, expected in sorted(listed.items()):
        try:
            got = digest(folder, name)
        except (OSError, UnsafePath) as exc:
            wrong.append(cannot_be_read(name, exc))
            continue
        if got != expected:
            wrong.append(is_changed(name, expected, got))
    return wrong


def is_changed(name: str, expected: str, got: str) -> str:
    """Message for a file whose SHA-256 differs."""
    return f"{name} is changed (expected sha256 {expected[:12]}…, got {got[:12]}…)"


def cannot_be_read(name: str, exc: Exception) -> str:
    """Message for a listed file that is missing, not regular, or not readable."""
    return f"{name} is missing" if isinstance(exc, FileNotFoundError) else f"{name} cannot be read ({_why(exc)})"


def regular_files(folder: Path) -> tuple[str, ...]:
    """Every regular file below a folder whose name is allowed in a manifest, listed or not."""
    names = (name for name, mode in islice(_walk(folder), _MOST_WRITTEN) if stat.S_ISREG(mode) and name != MANIFEST)
    return tuple(sorted(name for name in names if name.isascii() and name.isprintable() and "\\" not in name))


def digest(folder: Path, name: str) -> str:
    """SHA-256 of a regular file below a folder, in hex.

    Raises:
        UnsafePath: It is not a regular file, or is reached through a link.
        OSError: It cannot be read.
    """
    with open_contained(folder, name) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_alone(folder: Path) -> bool:
    """Whether a version's folder holds only its manifest, as a pull without --all leaves it."""
    try:
        return [path.name for path in folder.iterdir()] == [MANIFEST]
    except FileNotFoundError:
        return False


def refuse_gone(folder: Path) -> None:
    """Distinguish a version that was removed while it was read from a damaged one.

    Raises:
        VersionNotFound: The folder does not exist.
    """
    if not os.path.lexists(folder):
        raise VersionNotFound(f"{folder} is gone: it was pruned just now")


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    """Path and mode of everything below a folder; links are not followed, nothing is opened but folders."""
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        with (
            suppress(FileNotFoundError, NotADirectoryError),
            os.scandir(folder / prefix) as entries,
        ):  # removed: no more
            for entry in entries:
                mode = entry.stat(follow_symlinks=False).st_mode
                yield f"{prefix}{entry.name}", mode
                if stat.S_ISDIR(mode):
                    waiting.append(f"{prefix}{entry.name}/")


def _folders_of(files: Iterable[str]) -> set[str]:
    """Every parent folder of the files."""
    return {"/".join(parts[:depth]) for name in files if (parts := name.split("/")) for depth in range(1, len(parts))}


def _strangers(modes: Mapping[str, int], files: Collection[str]) -> list[tuple[str, int]]:
    """Entries that are neither one of `files`, nor a parent folder of one, nor a regular file."""
    expected_paths = {*files, *(name for name in _folders_of(files) if stat.S_ISDIR(modes.get(name, 0)))}
    return sorted((name, mode) for name, mode in modes.items() if not stat.S_ISREG(mode) and name not in expected_paths)


def _is_no_file(modes: Mapping[str, int], name: str) -> bool:
    return name in modes and not stat.S_ISREG(modes[name])


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISLNK, "a symbolic link"), (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"))
    return next((words for test, words in kinds if test(mode)), "a device or socket")


def _some(wrong: list[str]) -> str:
    more = f"; and {len(wrong) - _MAX_NAMED} more" if len(wrong) > _MAX_NAMED else ""
    return "; ".join(wrong[:_MAX_NAMED]) + more


def _why(exc: Exception) -> str:
    return (exc.strerror or str(exc)) if isinstance(exc, OSError) else str(exc)
