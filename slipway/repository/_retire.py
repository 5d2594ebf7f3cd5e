"""Take a version out of service: roll back to an older one, prune those that nobody needs."""

from __future__ import annotations

from pathlib import Path

from slipway.repository._errors import NothingToRollBack, refused_by_disk
from slipway.repository._manifest import check_manifest
from slipway.repository._publish import Published, republish
from slipway.repository._scratch import scratch_folder
from slipway.repository._versions import ModelEntry, VersionEntry, find_model


def rollback(root: Path, model: str, *, to: int | None = None) -> tuple[VersionEntry, Published]:
    """Publish an older version's bytes once more, under the next number: history stays, Triton serves the highest.

    Args:
        root: Model repository.
        model: Model name.
        to: Version to return to. If not given: the newest version from before the served bytes first appeared, so
            that a second rollback goes one step further back and does not return to what the first one left.

    Returns:
        The version that was returned to, and its new publication.

    Raises:
        NothingToRollBack: No earlier version has other contents, or `to` is what is served.
        VersionDamaged: The older version's files are not those of its manifest.
    """
    entry = find_model(root, model)
    source = _previous(entry) if to is None else entry.version(to)
    check_manifest(source.path)
    if to is not None and source.model() == entry.served.model():
        raise NothingToRollBack(f"{model!r} serves the bytes of version {to} already (as {entry.served.version})")
    published = republish(root, model, source.path)
    return source, published


def prune(root: Path, model: str, *, keep: int = 3, dry_run: bool = False) -> tuple[VersionEntry, ...]:
    """Remove all versions but the `keep` newest; each disappears in one rename.

    Args:
        root: Model repository.
        model: Model name.
        keep: Versions that stay, at least 1: the served one is never removed.
        dry_run: Only say which would go.

    Returns:
        The removed versions, oldest first.
    """
    if keep < 1:
        raise ValueError(f"keep: expected >= 1, the served version always stays, got {keep}")
    entry = find_model(root, model)
    doomed = entry.versions[:-keep]
    if not doomed or dry_run:
        return doomed
    with refused_by_disk(f"prune {model!r}", root), scratch_folder(entry.path) as scratch:
        for version in doomed:
            version.path.rename(scratch / version.path.name)
    return doomed


def _previous(entry: ModelEntry) -> VersionEntry:
    served = entry.served.model()
    first = next(version for version in entry.versions if version.model() == served)
    older = [version for version in entry.versions if version.version < first.version]
    if not older:
        raise NothingToRollBack(
            f"{entry.name!r} has no version from before the served one's contents; published: "
            + ", ".join(str(version.version) for version in entry.versions)
        )
    return older[-1]
