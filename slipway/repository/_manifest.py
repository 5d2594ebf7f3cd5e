"""The manifest of a version: SHA-256 of every file, in the format of coreutils.

Anyone can check a version without Slipway, in an init container for example: `sha256sum -c manifest.sha256`.
It shows damage and half-copied files. It is no signature: who can change a file can change the manifest too.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from slipway.repository._errors import VersionDamaged

MANIFEST = "manifest.sha256"

_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>[^\\\n]+)")


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path) -> None:
    """List every file below `folder`, sorted by path."""
    lines = [f"{digest(folder / name)}  {name}\n" for name in _files(folder)]
    (folder / MANIFEST).write_text("".join(lines), encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, str]:
    """SHA-256 by path below `folder`.

    Raises:
        VersionDamaged: The manifest is missing, or a line of it is not one.
    """
    path = folder / MANIFEST
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise VersionDamaged(f"{path}: no readable manifest; publish the version again") from exc
    listed = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise VersionDamaged(f"{path}, line {number}: expected '<sha256>  <path>', got {line!r}")
        listed[match["path"]] = match["sha256"]
    return listed


def check_manifest(folder: Path) -> dict[str, str]:
    """Compare every file below `folder` with the manifest, and return the manifest.

    Raises:
        VersionDamaged: Naming each file that is changed, missing or not listed.
    """
    listed, there = read_manifest(folder), set(_files(folder))
    wrong = [f"{name} is missing" for name in sorted(listed.keys() - there)]
    wrong += [f"{name} is not listed" for name in sorted(there - listed.keys())]
    for name in sorted(listed.keys() & there):
        got = digest(folder / name)
        if got != listed[name]:
            wrong.append(f"{name} is changed (expected sha256 {listed[name][:12]}…, got {got[:12]}…)")
    if wrong:
        raise VersionDamaged(
            f"{folder}: {'; '.join(wrong)}. Do not serve it: publish again, or `slipway models rollback`"
        )
    return listed


def manifest_alone(folder: Path) -> bool:
    """Whether a version is here by its manifest alone, as an ordinary pull leaves it; its files are in the store."""
    return [path.name for path in folder.iterdir()] == [MANIFEST]


def _files(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(path.relative_to(folder).as_posix() for path in files if path != folder / MANIFEST)
