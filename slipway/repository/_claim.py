"""Give a finished version its number with one rename, and check the result.

The rename decides between concurrent publishers, on every node: the file server lets only one of them create a name.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from slipway.platform.atomic_write import fsync
from slipway.repository._errors import PublishFailed, RepositoryError, VersionTaken
from slipway.repository._layout import HIGHEST_VERSION, is_version
from slipway.repository._manifest import check_manifest, read_manifest_bytes

_TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
_MOST_TRIES = 1000


def claim(content: Path, model_dir: Path, version: int | None) -> int:
    """Rename to the first free number, and check that the result is this version.

    A version folder is never empty, so a rename refuses a taken one. Anything of that name takes a number, also a file.

    Args:
        content: The finished version, in a scratch folder on the same file system.
        model_dir: The model's folder.
        version: The number to take; the next free one if not given.

    Returns:
        The number.

    Raises:
        VersionTaken: `version` is taken.
        PublishFailed: The published files differ from the source.
        OSError: The file system refused.
    """
    manifest = read_manifest_bytes(content)
    first = next_number(model_dir) if version is None else version
    for number in range(first, first + _MOST_TRIES):
        if not is_version(str(number)):
            raise PublishFailed(
                f"{model_dir}: expected a version from 1 to {HIGHEST_VERSION}, which is all that Triton serves, got "
                f"{number}: {'remove the folder with the number before it' if version is None else 'name another'}"
            )
        target = model_dir / str(number)
        if _renamed(content, target, manifest):
            fsync(model_dir)
            _look_again(target, content, manifest)
            return number
        if version is not None:
            raise VersionTaken(taken(model_dir, version))
    raise PublishFailed(
        f"{model_dir}: expected a free number, but {_MOST_TRIES:,} of them are taken: look at the folder"
    )


def next_number(model_dir: Path) -> int:
    """One more than the highest number that anything in the folder has."""
    names = (path.name for path in model_dir.iterdir()) if model_dir.is_dir() else ()
    return max((int(name) for name in names if is_version(name)), default=0) + 1


def taken(model_dir: Path, version: int) -> str:
    """Message for a version number that is already used."""
    return (
        f"{model_dir / str(version)} is published and never changes; use version {next_number(model_dir)}, or name none"
    )


def refuse_merging(scratch: Path) -> None:
    """Refuse a file system that renames over an existing folder: two publishers could take one number, or mix files.

    Raises:
        PublishFailed: It renames over an existing folder.
        OSError: The check itself failed.
    """
    one, two = scratch / "rename" / "one", scratch / "rename" / "two"
    for folder in (one, two):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    try:
        one.rename(two)
    except OSError:
        return
    raise PublishFailed(
        f"{scratch.parent}: expected a file system that refuses to rename a folder over another, this one does it, and "
        "two publications at once would be mixed: use a local disk or NFS, and `slipway models push` for object stores"
    )


def _renamed(content: Path, target: Path, manifest: bytes) -> bool:
    """True if the rename succeeded; False if another publisher took the number."""
    try:
        content.rename(target)
    except OSError as exc:
        if not os.path.lexists(content) and _manifest_of(target) == manifest:
            return True  # a file server may do it, lose the response, and get the request again
        if exc.errno in _TAKEN or os.path.lexists(target):
            return False
        raise
    return True


def _look_again(target: Path, content: Path, manifest: bytes) -> None:
    """Compare the published files with the source; a damaged version is removed again."""
    try:
        check_manifest(target)
    except RepositoryError as exc:
        reason = str(exc)
    else:
        reason = ""
    if _manifest_of(target) != manifest:
        raise PublishFailed(f"{target}: another version is there now, or none. {reason} Publish again")
    if reason:
        target.rename(content)
        raise PublishFailed(f"{target} was damaged while it was published, and was removed again: {reason}")


def _manifest_of(folder: Path) -> bytes | None:
    try:
        return read_manifest_bytes(folder)
    except RepositoryError:
        return None
