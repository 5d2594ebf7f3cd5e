"""Publish versions in a store without rename: files first, each created only if it does not exist, the manifest last.

    push_model(store, entry, console)

A version exists once its manifest does. The manifest is created after every other file was read back, and everything is
read back once more after it: a published version is intact, or the push fails and removes the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console

from slipway.contained_path import UnsafePath, open_contained
from slipway.model_config import parse_config, read_contract
from slipway.repository._errors import ModelDamaged, RemoteFailed, VersionDamaged, VersionTaken
from slipway.repository._layout import CONFIG
from slipway.repository._manifest import check_manifest, manifest_alone
from slipway.repository._manifest_text import MANIFEST
from slipway.repository._onnx_only import check_sealed
from slipway.repository._publish import refuse_other_contract
from slipway.repository._pull_plan import refuse_two_contents
from slipway.repository._push_claim import Claim, Overtaken, claimed
from slipway.repository._remote_models import RemoteModel, remote_model
from slipway.repository._shared import check_shared
from slipway.repository._versions import ModelEntry, VersionEntry

if TYPE_CHECKING:
    from slipway.repository._store.remote_store import RemoteStore


def push_model(
    store: RemoteStore, entry: ModelEntry, remote: RemoteModel, console: Console
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Publish every local version that is newer than all remote ones.

    Returns:
        Numbers of the versions that were published, and of those that were already there with the same contents.
    """
    shared = _read_shared(entry)
    if remote.versions:
        _refuse_changed_contract(store, entry, shared)
    _refuse_other_contents(store, entry, remote)
    known = tuple(version.version for version in entry.versions if version.version in remote.versions)
    new = tuple(
        version
        for version in entry.versions
        if version.version > max(remote.versions, default=0) and not manifest_alone(version.path)
    )
    if new or (remote.versions and MANIFEST not in remote.sizes):
        manifests = {version.version: _manifest_of(version) for version in new}
        for version in new:
            check_manifest(version.path)
        with claimed(store, entry.name, manifests, console) as claim:
            for version in new:
                _push_version(claim, entry, version, shared)
            if not new:
                _send_shared(claim, entry.name, shared)
    return tuple(version.version for version in new), known


def _push_version(claim: Claim, entry: ModelEntry, version: VersionEntry, shared: Mapping[str, bytes]) -> None:
    """Send the files, then the shared files, then the manifest, which publishes the version."""
    store, head = claim.store, f"{entry.name}/{version.version}"
    manifest = _manifest_of(version)
    listed = version.contents()
    remote = remote_model(store, entry.name)  # its state now that the claim is held
    if version.version in remote.versions:
        _refuse_other_manifest(store, head, manifest)
        return
    try:
        _send_files(claim, version, head, listed, remote)
        _send_shared(claim, entry.name, shared)
        claim.check()
        if not store.create_text(manifest, f"{head}/{MANIFEST}"):
            _refuse_other_manifest(store, head, manifest)
    except Overtaken:
        if not store.exists(f"{head}/{MANIFEST}"):
            raise
        _refuse_other_manifest(store, head, manifest)
    _check_published(store, head, listed)


def _send_files(claim: Claim, version: VersionEntry, head: str, listed: Mapping[str, str], remote: RemoteModel) -> None:
    """Send missing files, and read each one back."""
    store = claim.store
    intact = _clear(claim, version.version, head, listed, remote)
    for name, sha256 in listed.items():
        if name in intact:
            continue
        claim.check()
        if store.exists(f"{head}/{MANIFEST}"):
            raise Overtaken(f"{store.where(head)} was published meanwhile")
        path, target = version.path / name, f"{head}/{name}"
        store.create(path, target)
        if (got := store.sha256(target, path.stat().st_size)) != sha256:
            claim.check()
            raise RemoteFailed(
                f"{store.where(target)}: expected sha256 {sha256[:12]}…, read back {got[:12]}…: another process "
                "writes to it, or the store lost data. The version was not published: push again"
            )


def _clear(claim: Claim, number: int, head: str, listed: Mapping[str, str], remote: RemoteModel) -> set[str]:
    """Remove files that an unfinished push of other contents left: serving would reject them.

    Returns:
        Paths that are already there with the right contents.
    """
    right = set()
    for name in remote.below(number):
        if name in listed and claim.store.sha256(f"{head}/{name}", remote.sizes[f"{number}/{name}"]) == listed[name]:
            right.add(name)
        else:
            claim.check()
            claim.store.remove(f"{head}/{name}")
    return right


def _send_shared(claim: Claim, model: str, shared: Mapping[str, bytes]) -> None:
    """Replace the shared files that differ, the model's manifest last."""
    store = claim.store
    remote_sizes = remote_model(store, model).sizes
    for name, content in shared.items():
        target = f"{model}/{name}"
        if name not in remote_sizes or store.read(target) != content:
            claim.check()
            store.replace(content, target)
            if store.read(target) != content:
                raise RemoteFailed(
                    f"{store.where(target)}: the contents differ from what was just written: another process writes to "
                    "it. Push again"
                )


def _check_published(store: RemoteStore, head: str, listed: Mapping[str, str]) -> None:
    """Read the published version back; remove the manifest again if the version is not intact.

    Raises:
        RemoteFailed: A file differs from the published one.
    """
    model, _, number = head.partition("/")
    remote = remote_model(store, model)
    present = remote.below(int(number))
    wrong = [f"{name} is not listed" for name in present if name not in listed]
    for name, sha256 in listed.items():
        if name not in present:
            wrong.append(f"{name} is missing")
        elif store.sha256(f"{head}/{name}", remote.sizes[f"{number}/{name}"]) != sha256:
            wrong.append(f"{name} is changed")
    if wrong:
        store.remove(f"{head}/{MANIFEST}")
        raise RemoteFailed(
            f"{store.where(head)}: {'; '.join(wrong)}, read back after the version was published: another process "
            "writes to it. Its manifest was removed, so the version is not published; push again"
        )


def _read_shared(entry: ModelEntry) -> dict[str, bytes]:
    """The files that all versions share, the model's manifest last; no other file outside the versions is sent.

    Raises:
        ModelDamaged: There is no manifest, a file differs from it, or Triton would run anything but an ONNX file.
    """
    contents: dict[str, bytes] = {}
    for name in (*check_shared(entry.path), MANIFEST):
        try:
            with open_contained(entry.path, name) as file:
                contents[name] = file.read()
        except (OSError, UnsafePath) as exc:
            raise ModelDamaged(f"{entry.path / name} cannot be sent: {exc}") from exc
        if name.endswith(".pbtxt"):
            check_sealed(entry.path / name, contents[name], outcome="It is not sent")
    return contents


def _manifest_of(version: VersionEntry) -> bytes:
    try:
        with open_contained(version.path, MANIFEST) as file:
            return file.read()
    except (OSError, UnsafePath) as exc:
        raise VersionDamaged(f"{version.path}: no readable manifest; publish the version again") from exc


def _refuse_other_contents(store: RemoteStore, entry: ModelEntry, remote: RemoteModel) -> None:
    for version in entry.versions:
        head = f"{entry.name}/{version.version}"
        if version.version in remote.versions and store.read(f"{head}/{MANIFEST}") != _manifest_of(version):
            refuse_two_contents(version.path, store.where(head))


def _refuse_other_manifest(store: RemoteStore, head: str, manifest: bytes) -> None:
    if store.read(f"{head}/{MANIFEST}") != manifest:
        raise VersionTaken(
            f"{store.where(head)} was published by another push meanwhile: pull again, and train with --resume, which "
            "publishes the same weights under the next number"
        )


def _refuse_changed_contract(store: RemoteStore, entry: ModelEntry, shared: Mapping[str, bytes]) -> None:
    published = read_contract(parse_config(store.read(f"{entry.name}/{CONFIG}").decode()))
    offered = read_contract(parse_config(shared[CONFIG].decode()))
    refuse_other_contract(published, offered, where=store.where(entry.name), offered_is="the local model")
