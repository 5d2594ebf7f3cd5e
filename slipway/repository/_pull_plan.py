"""Plan which files of a remote model a pull copies, and validate them before anything is written.

    plan = plan_pull(root, store, model, complete=True)
    free_bytes = refuse_without_space(root, {"mnist": plan.coming_bytes}, store.url)

Only what a manifest lists is planned.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.contained_path import UnsafePath, contained_path, refuse_collisions
from slipway.printable import printable
from slipway.repository._errors import PublishFailed, RemoteFailed, VersionDamaged, VersionTaken
from slipway.repository._layout import CONFIG
from slipway.repository._manifest import manifest_alone
from slipway.repository._manifest_text import MANIFEST
from slipway.repository._remote_models import RemoteModel, listed_in

if TYPE_CHECKING:
    from slipway.repository._store.remote_store import RemoteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class PullPlan:
    """The validated files of one model that a pull will copy.

    Attributes:
        model: The model.
        shared: Bytes of the files that all versions share, by path; verified where the model's manifest lists them.
        sealed: Whether the model has a manifest.
        manifests: Bytes of each version's manifest, by number, without the versions that are already here.
        files: For each of these versions, size in bytes by path; None if the store does not say.
        left: Remote paths that no manifest lists; they are not copied.
    """

    model: RemoteModel
    shared: Mapping[str, bytes]
    sealed: bool
    manifests: Mapping[int, bytes]
    files: Mapping[int, Mapping[str, int | None]]
    left: tuple[str, ...]

    @property
    def coming_bytes(self) -> int:
        """Bytes that will be written, as far as the store reports sizes."""
        files = sum(size or 0 for sizes in self.files.values() for size in sizes.values())
        return files + sum(len(text) for text in (*self.shared.values(), *self.manifests.values()))


def plan_pull(root: Path, store: RemoteStore, model: RemoteModel, *, complete: bool) -> PullPlan:
    """Read a model's manifests and shared files, and validate that each name stays below `root`.

    Raises:
        RemoteFailed: A file cannot be read; a name could leave its folder; a link on disk would lead out of it.
        VersionDamaged: A manifest is invalid; a shared file differs from the model's manifest.
        VersionTaken: A local version has other contents.
    """
    model.refuse_hostile()
    manifests = {number: store.read(f"{model.name}/{number}/{MANIFEST}") for number in model.versions}
    listed = {
        number: listed_in(content, store.where(f"{model.name}/{number}")) for number, content in manifests.items()
    }
    shared, sealed = _read_shared(store, model)
    targets = [*shared, *(f"{n}/{name}" for n, names in listed.items() for name in (*names, MANIFEST))]
    try:
        refuse_collisions(targets)
        for target in (*targets, *map(str, manifests)):
            contained_path(root, f"{model.name}/{target}")
    except UnsafePath as exc:
        raise RemoteFailed(f"{store.where(model.name)}: {exc}. Nothing of it was copied") from exc
    for number, content in manifests.items():
        _refuse_other_contents(root / model.name / str(number), content, store.where(f"{model.name}/{number}"))
    planned_paths = {*targets, MANIFEST}
    left = tuple(sorted(path for path in model.sizes if path not in planned_paths and not _is_unfinished(model, path)))
    coming = {
        n: content for n, content in manifests.items() if is_to_come(root / model.name / str(n), complete=complete)
    }
    files = {n: _sizes(store, model, n, listed[n]) if complete else {} for n in coming}
    return PullPlan(model=model, shared=shared, sealed=sealed, manifests=coming, files=files, left=left)


def refuse_without_space(root: Path, coming_bytes: Mapping[str, int], source: str) -> int:
    """Compare the size of the download with the free space of its file system.

    Args:
        root: Target folder; it need not exist yet.
        coming_bytes: Bytes by model.
        source: The source URL, for the message.

    Returns:
        Free bytes.

    Raises:
        PublishFailed: The download is larger than the free space.
        OSError: The free space cannot be determined.
    """
    nearest = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.is_dir())
    free, total = shutil.disk_usage(nearest).free, sum(coming_bytes.values())
    if total > free:
        largest = sorted(coming_bytes, key=lambda model: -coming_bytes[model])[:3]
        named = ", ".join(f"{model} {_shown(coming_bytes[model])}" for model in largest)
        raise PublishFailed(
            f"{source}: {root} has {_shown(free)} free, and the download takes {_shown(total)} ({named}). Nothing was "
            "copied: free some space, name one model, or pull only the manifests, without --all"
        )
    return free


def _shown(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:,.1f} GB" if size_bytes >= 10**9 else f"{size_bytes / 1e6:,.1f} MB"


def left_behind(plan: PullPlan) -> str:
    """Message on the files that are not copied; empty if there are none."""
    if not plan.left:
        return ""
    named = printable(", ".join(plan.left[:3]), limit=200)
    more = f" and {len(plan.left) - 3} more" if len(plan.left) > 3 else ""
    return f"{plan.model.name}: not copied, since no manifest lists it: {named}{more}"


def unsealed(plan: PullPlan) -> str:
    """Message for shared files that could not be verified; empty if they could."""
    if plan.sealed:
        return ""
    return (
        f"{plan.model.name}: {CONFIG} was copied unverified, since the remote model has no {MANIFEST}. Review it, then "
        f"run `slipway models seal {plan.model.name}`; the next push sends the manifest too"
    )


def _read_shared(store: RemoteStore, model: RemoteModel) -> tuple[dict[str, bytes], bool]:
    """The files that all versions share, the model's manifest last; and whether it has a manifest."""
    listed = model.listed_shared(store)
    if listed is None:
        return {name: store.read(f"{model.name}/{name}") for name in model.shared()}, False
    if missing := [name for name in listed if name not in model.sizes]:
        raise VersionDamaged(
            f"{store.where(model.name)}: {', '.join(missing)} is missing. Nothing was copied: push the model again"
        )
    contents = {name: store.read(f"{model.name}/{name}") for name in listed}
    for name, content in contents.items():
        got = hashlib.sha256(content).hexdigest()
        if got != listed[name]:
            raise VersionDamaged(
                f"{store.where(model.name)}: {name} is changed (expected sha256 {listed[name][:12]}…, got {got[:12]}…)"
                ". Nothing was copied: if a push is under way, pull again after it; else push the model again"
            )
    return {**contents, MANIFEST: store.read(f"{model.name}/{MANIFEST}")}, True


def is_to_come(target: Path, *, complete: bool) -> bool:
    """Whether a version is missing here, or has only its manifest while its files are requested."""
    return not (target / MANIFEST).is_file() or (complete and manifest_alone(target))


def _sizes(store: RemoteStore, model: RemoteModel, number: int, listed: Iterable[str]) -> dict[str, int | None]:
    """Size of each file that a manifest lists, as the store reports it; None for a missing one."""
    sizes = {}
    for name in listed:
        path = f"{number}/{name}"
        size = model.sizes.get(path)
        sizes[name] = store.size(f"{model.name}/{path}") if size is None and path in model.sizes else size
    return sizes


def _refuse_other_contents(local: Path, remote_manifest: bytes, where: str) -> None:
    manifest = local / MANIFEST
    if manifest.is_file() and manifest.read_bytes() != remote_manifest:
        refuse_two_contents(local, where)


def refuse_two_contents(local: Path, where: str) -> None:
    """Raise because one version number has two contents.

    Raises:
        VersionTaken: Always.
    """
    raise VersionTaken(
        f"{where} and {local} are one version with different contents, and versions are immutable: pull into an "
        "empty folder and publish there, which takes the next number"
    )


def _is_unfinished(model: RemoteModel, path: str) -> bool:
    """Whether a path belongs to a version that is not published: a push is under way, or was killed."""
    head = path.partition("/")[0]
    return head.isdecimal() and int(head) not in model.versions and "/" in path
