"""Copy what a remote model's manifests list into a repository on disk, and nothing else.

carry_out(root, store, plan, free_bytes=free_bytes)     # every file is verified before it is placed
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipway.repository._errors import Failures, VersionDamaged
from slipway.repository._manifest import check_manifest
from slipway.repository._manifest_text import MANIFEST
from slipway.repository._pull_plan import PullPlan, is_to_come
from slipway.repository._scratch import scratch_folder

if TYPE_CHECKING:
    from slipway.repository._store.remote_store import RemoteStore


def carry_out(root: Path, store: RemoteStore, plan: PullPlan, *, free_bytes: int) -> None:
    """Place the shared files, then each version; a version appears whole, and a damaged one keeps no other away.

    Args:
        root: Model repository on disk.
        store: The remote repository.
        plan: What is to be done.
        free_bytes: What this disk can take.

    Raises:
        RemoteFailed: A file cannot be read, or is larger than the store said.
        VersionDamaged: What came is not what the manifest lists.
        SeveralFailed: That of more than one version.
        OSError: The disk refused.
    """
    failures = Failures()
    folder = root / plan.model.name
    folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder) as scratch:
        for name, content in plan.shared.items():
            _place_file(scratch / "file", folder / name, content)
        if not plan.sealed:
            (folder / MANIFEST).unlink(missing_ok=True)  # it lists what was here before
        for number in plan.manifests:
            target = folder / str(number)
            if not is_to_come(target, complete=bool(plan.files[number])):
                continue  # another pull has placed it since this one was planned
            with failures.kept():
                _fetch_version(scratch / str(number), store, plan, number, free_bytes)
                _place_version(scratch / str(number), target)
    failures.raise_any()


def _fetch_version(scratch: Path, store: RemoteStore, plan: PullPlan, number: int, free_bytes: int) -> None:
    """Copy a version's files, if they are asked for, and its manifest; what came is compared."""
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
    """Compare what came with its manifest; what is wrong is wrong there, or came wrong."""
    try:
        check_manifest(scratch)
    except VersionDamaged as exc:
        reason = str(exc).removeprefix(f"{scratch}: ").partition(". ")[0]
        raise VersionDamaged(_damaged(source, reason)) from exc


def _damaged(source: str, what: str) -> str:
    return (
        f"{source}: {what}. It was not placed: pull again; if it stays so, remove the version there, and push it "
        "from where it is intact"
    )


def _place_file(scratch: Path, target: Path, content: bytes) -> None:
    if target.is_file() and target.read_bytes() == content:
        return
    scratch.write_bytes(content)
    scratch.chmod(0o644)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch.replace(target)
