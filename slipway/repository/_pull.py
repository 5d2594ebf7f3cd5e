"""Copy the files that a remote model's manifests list into a local repository, and no others.

carry_out(root, store, plan, free_bytes=free_bytes)     # every file is verified before it is placed
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipway.repository._errors import Failures, VersionDamaged
from slipway.repository._files import scratch_in_model_folder
from slipway.repository._manifest import check_manifest
from slipway.repository._manifest_text import MANIFEST
from slipway.repository._pull_plan import PullPlan, is_to_come

if TYPE_CHECKING:
    from slipway.repository._store.remote_store import RemoteStore


def carry_out(root: Path, store: RemoteStore, plan: PullPlan, *, free_bytes: int) -> None:
    """Copy the shared files, then each version; a version appears whole, and a damaged one does not stop the others.

    Args:
        root: Model repository on disk.
        store: The remote repository.
        plan: What to copy.
        free_bytes: Free space of this disk.

    Raises:
        RemoteFailed: A file cannot be read, or is larger than the store said.
        VersionDamaged: The downloaded files differ from the manifest.
        SeveralFailed: More than one version is damaged.
        OSError: The disk refused.
    """
    failures = Failures()
    folder = root / plan.model.name
    with scratch_in_model_folder(folder) as scratch:
        for name, content in plan.shared.items():
            _place_file(scratch / "file", folder / name, content)
        if not plan.sealed:
            (folder / MANIFEST).unlink(missing_ok=True)  # it lists the previous files
        for number in plan.manifests:
            target = folder / str(number)
            if not is_to_come(target, complete=bool(plan.files[number])):
                continue  # another pull has placed it since this one was planned
            with failures.kept():
                _fetch_version(scratch / str(number), store, plan, number, free_bytes)
                _place_version(scratch / str(number), target)
    failures.raise_any()


def _fetch_version(scratch: Path, store: RemoteStore, plan: PullPlan, number: int, free_bytes: int) -> None:
    """Download a version's files, if requested, and its manifest, and verify them."""
    source, files = f"{plan.model.name}/{number}", plan.files[number]
    scratch.mkdir()
    for name, size_bytes in files.items():
        if f"{number}/{name}" not in plan.model.sizes:
            raise VersionDamaged(_damaged(store.where(source), f"{name} is missing"))
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        store.download(f"{source}/{name}", scratch / name, size_bytes, free_bytes=free_bytes)
    (scratch / MANIFEST).write_bytes(plan.manifests[number])
    if files:
        _check_copy(scratch, store.where(source))


def _place_version(scratch: Path, target: Path) -> None:
    for path in [*scratch.rglob("*"), scratch]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    if target.is_dir():
        target.rename(scratch.with_name(f"{scratch.name}-before"))
    scratch.rename(target)


def _check_copy(scratch: Path, source: str) -> None:
    """Compare the downloaded files with their manifest."""
    try:
        check_manifest(scratch)
    except VersionDamaged as exc:
        reason = str(exc).removeprefix(f"{scratch}: ").partition(". ")[0]
        raise VersionDamaged(_damaged(source, reason)) from exc


def _damaged(source: str, what: str) -> str:
    return (
        f"{source}: {what}. It was not copied: pull again; if it fails again, remove the version from the store, and "
        "push it from an intact repository"
    )


def _place_file(scratch: Path, target: Path, content: bytes) -> None:
    if target.is_file() and target.read_bytes() == content:
        return
    scratch.write_bytes(content)
    scratch.chmod(0o644)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch.replace(target)
