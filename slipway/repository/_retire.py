"""Roll back to an older version, and prune old ones.

A damaged version is reported and skipped: it is never rolled back to, and does not count as one that is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from slipway.repository._errors import NothingToRollBack, VersionDamaged, refused_by_disk
from slipway.repository._manifest import check_manifest
from slipway.repository._publish import Published, republish
from slipway.repository._scratch import scratch_folder
from slipway.repository._versions import ModelEntry, VersionEntry, find_fault, find_model

Note = Callable[[str], None]


def _ignore(_sentence: str) -> None:
    """Default: no notes."""


def rollback(root: Path, model: str, *, to: int | None = None, note: Note = _ignore) -> tuple[VersionEntry, Published]:
    """Publish an older version's bytes again, under the next number: history stays, Triton serves the highest.

    Args:
        root: Model repository.
        model: Model name.
        to: Version to return to. If not given: the newest intact version from before the served bytes first appeared,
            so that a second rollback goes one step further back and does not return to what the first one left; where
            the newest version is damaged, the newest intact one.
        note: Called with a sentence for each damaged version that was skipped.

    Returns:
        The version that was returned to, and its new publication.

    Raises:
        NothingToRollBack: No earlier version is intact and has other contents, or `to` is already served.
        VersionDamaged: The files of `to` differ from its manifest.
    """
    entry = find_model(root, model)
    broken = None if entry.served.is_number_only else find_fault(entry.served)
    if broken is not None:
        note(broken)
    if to is None:
        source = _previous(entry, note, newest_is_broken=broken is not None)
    else:
        source = entry.version(to)
        check_manifest(source.path)
        if broken is None and source.model() == entry.served.model():
            raise NothingToRollBack(f"{model!r} serves the bytes of version {to} already (as {entry.served.version})")
    return source, republish(root, model, source.path)


def prune(
    root: Path, model: str, *, keep: int = 3, dry_run: bool = False, note: Note = _ignore
) -> tuple[VersionEntry, ...]:
    """Remove all versions but the `keep` newest that are intact; each disappears in one rename.

    A damaged version among them is kept too, for repair, and so is the newest version whose files are all on disk,
    whatever else is kept.

    Args:
        root: Model repository.
        model: Model name.
        keep: Intact versions to keep, at least 1. A version with only its manifest on disk counts.
        dry_run: Only return what would be removed.
        note: Called with a sentence for each damaged version that is kept.

    Returns:
        The removed versions, oldest first.

    Raises:
        VersionDamaged: No version is intact; nothing was removed.
    """
    if keep < 1:
        raise ValueError(f"keep: expected >= 1, the served version always stays, got {keep}")
    entry = find_model(root, model)
    doomed = _doomed(entry, keep, note)
    if not doomed or dry_run:
        return doomed
    with refused_by_disk(f"prune {model!r}", root), scratch_folder(entry.path) as scratch:
        for version in doomed:
            with suppress(FileNotFoundError):  # pruned by another process meanwhile
                version.path.rename(scratch / version.path.name)
    return doomed


def _doomed(entry: ModelEntry, keep: int, note: Note) -> tuple[VersionEntry, ...]:
    newest_first = list(reversed(entry.versions))
    kept, whole = 0, False
    while newest_first and kept < keep:
        version = newest_first.pop(0)
        if version.is_number_only:
            kept += 1
        elif (fault := find_fault(version)) is None:
            kept, whole = kept + 1, True
        else:
            note(fault)
    if kept == 0:
        raise VersionDamaged(
            f"no version of {entry.name!r} is intact, and nothing was removed: publish one first, or copy an intact "
            "one from another repository"
        )
    if not whole and (survivor := _newest_intact(newest_first, note)) is not None:
        newest_first.remove(survivor)
    return tuple(reversed(newest_first))


def _previous(entry: ModelEntry, note: Note, *, newest_is_broken: bool) -> VersionEntry:
    first_served = entry.served.version
    if not newest_is_broken:
        served = entry.served.model()
        first_served = next(version.version for version in entry.versions if _model_or_none(version) == served)
    older = [version for version in reversed(entry.versions) if version.version < first_served]
    source = _newest_intact(older, note)
    if source is None:
        raise NothingToRollBack(
            f"{entry.name!r} has no intact version from before the served one's contents; published: "
            + ", ".join(str(version.version) for version in entry.versions)
        )
    return source


def _newest_intact(newest_first: Iterable[VersionEntry], note: Note) -> VersionEntry | None:
    for version in newest_first:
        fault = find_fault(version)
        if fault is None:
            return version
        note(fault)
    return None


def _model_or_none(version: VersionEntry) -> dict[str, str] | None:
    try:
        return version.model()
    except VersionDamaged:
        return None
