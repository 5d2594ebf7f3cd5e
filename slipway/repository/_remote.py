"""Bring a model repository to an object store and back: the layout there is the layout on disk.

    pull(root, "s3://models/prod")      # before training: numbers, manifests, configurations; no model files
    ...                                 # publish(root, ...) takes the next free number
    push(root, "s3://models/prod")      # after training: what is new

An object store has no rename. The manifest of a version is therefore written last, and only if it is not there yet: a
version without manifest is not there, for serving as for these two. What a killed push left is completed by the next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from slipway.distribution import NotInstalled, install_hint
from slipway.model_config import parse_config, read_contract
from slipway.repository._errors import RemoteFailed, VersionDamaged, VersionTaken, refused_by_disk
from slipway.repository._layout import CONFIG, is_version
from slipway.repository._manifest import check_manifest, manifest_alone
from slipway.repository._manifest_text import MANIFEST
from slipway.repository._publish import refuse_other_contract
from slipway.repository._scratch import scratch_folder
from slipway.repository._versions import ModelEntry, VersionEntry, find_model, list_models

if TYPE_CHECKING:
    from slipway.repository._remote_store import RemoteStore

_QUIET = Console(quiet=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What is known of one model after a pull.

    Attributes:
        model: Its name.
        versions: Numbers that are published there, ascending.
        complete: Those whose files are here too, verified.
    """

    model: str
    versions: tuple[int, ...]
    complete: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did for one model.

    Attributes:
        model: Its name.
        new: Versions that it published there, ascending.
        known: Versions that were there with the same contents.
    """

    model: str
    new: tuple[int, ...]
    known: tuple[int, ...]


def pull(
    root: Path, url: str, *, model: str | None = None, complete: bool = False, console: Console = _QUIET
) -> tuple[Pulled, ...]:
    """Make the repository in `root` know what is published at a URL.

    Args:
        root: Model repository on disk; made if it is not there.
        url: Remote repository; nothing there is no error: the first training publishes version 1.
        model: One model; every model if not given.
        complete: Bring every file of every version, verified. Without it a version here is its manifest alone: enough
            to number the next one, not enough to serve.
        console: For progress.

    Raises:
        RemoteFailed: The remote repository cannot be reached, or refuses.
        VersionTaken: A version here has other contents than the one there.
        VersionDamaged: What came is not what the manifest lists.
        PublishFailed: The disk refused.
    """
    with _store(url, console) as store:
        files = {name: paths for name, paths in _by_model(store.paths()).items() if model in {None, name}}
        with refused_by_disk(f"pull {url}", root):
            return tuple(
                _pull_model(root, store, name, paths, complete) for name, paths in files.items() if _published(paths)
            )


def push(root: Path, url: str, *, model: str | None = None, console: Console = _QUIET) -> tuple[Pushed, ...]:
    """Publish at a URL what is published here and newer than everything there.

    Each file is read back and compared with the manifest before the version counts as published. Versions that are
    older than the newest there and absent from it were pruned, and stay away.

    Args:
        root: Model repository on disk.
        url: Remote repository.
        model: One model; every model if not given.
        console: For progress.

    Raises:
        RemoteFailed: The remote repository cannot be reached, or refuses, or did not keep what was written.
        VersionTaken: A version is published there with other contents.
        ContractChanged: The model is published there with another door.
        VersionDamaged: A version here is not what its manifest lists; nothing of it was sent.
        ModelNotPublished: There is nothing to push.
    """
    entries = list_models(root) if model is None else (find_model(root, model),)
    with _store(url, console) as store:
        files = _by_model(store.paths())
        return tuple(_push_model(store, entry, files.get(entry.name, ())) for entry in entries if entry.versions)


def check_pushable(url: str, *, console: Console = _QUIET) -> None:
    """Refuse now what `push` would refuse after an hour of training: nobody may write there.

    Raises:
        RemoteFailed: It cannot be written, or what was written cannot be removed.
    """
    with _store(url, console) as store:
        store.check_writable()


@contextmanager
def _store(url: str, console: Console) -> Iterator[RemoteStore]:
    try:
        from slipway.repository._remote_store import open_store  # noqa: PLC0415  # fsspec is an extra
    except ModuleNotFoundError as exc:
        raise NotInstalled(f"{url}: remote repositories need fsspec: {install_hint('remote')}") from exc
    with open_store(url, console) as store:
        yield store


def _by_model(paths: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Paths below each model's folder; files that lie beside the models are nobody's."""
    found: dict[str, list[str]] = {}
    for path in paths:
        model, _, rest = path.partition("/")
        if rest:
            found.setdefault(model, []).append(rest)
    return {model: tuple(rest) for model, rest in found.items()}


def _published(paths: Collection[str]) -> tuple[int, ...]:
    """Numbers of the versions whose manifest is there: the others were never finished."""
    heads = (path.removesuffix(f"/{MANIFEST}") for path in paths if path.endswith(f"/{MANIFEST}"))
    return tuple(sorted(int(head) for head in heads if is_version(head)))


def _pull_model(root: Path, store: RemoteStore, model: str, paths: tuple[str, ...], complete: bool) -> Pulled:
    folder, versions = root / model, _published(paths)
    folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder) as scratch:
        for path in paths:
            if not is_version(path.partition("/")[0]):
                _place_text(scratch / "file", folder / path, store.read(f"{model}/{path}"))
        for number in versions:
            names = [path.partition("/")[2] for path in paths if path.startswith(f"{number}/")]
            _pull_version(
                scratch / str(number), folder / str(number), store, f"{model}/{number}", names if complete else []
            )
    return Pulled(model=model, versions=versions, complete=versions if complete else ())


def _pull_version(scratch: Path, target: Path, store: RemoteStore, source: str, names: list[str]) -> None:
    """Place a version's manifest, and the files that are asked for; a version that is here already stays."""
    manifest = store.read(f"{source}/{MANIFEST}")
    if (target / MANIFEST).is_file():
        _refuse_other_contents(
            target, (target / MANIFEST).read_text(encoding="utf-8"), manifest, f"{store.url}/{source}"
        )
        if not names or not manifest_alone(target):
            return
    scratch.mkdir()
    for name in names:
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        store.download(f"{source}/{name}", scratch / name)
    (scratch / MANIFEST).write_text(manifest, encoding="utf-8")
    if names:
        _check_copy(scratch, f"{store.url}/{source}")
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
        said = str(exc).removeprefix(f"{scratch}: ").partition(". ")[0]
        raise VersionDamaged(
            f"{source}: {said}. It was not placed: pull again; if it stays so, remove the version there, and push it "
            "from where it is intact"
        ) from exc


def _place_text(scratch: Path, target: Path, text: str) -> None:
    if target.is_file() and target.read_bytes() == text.encode():
        return
    scratch.write_text(text, encoding="utf-8")
    scratch.chmod(0o644)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch.replace(target)


def _push_model(store: RemoteStore, entry: ModelEntry, paths: tuple[str, ...]) -> Pushed:
    there = _published(paths)
    if there:
        _refuse_changed_contract(store, entry)
    known, new = [], []
    for version in entry.versions:
        if version.version in there:
            manifest = store.read(f"{entry.name}/{version.version}/{MANIFEST}")
            _refuse_other_contents(version.path, _manifest_text(version), manifest, f"{store.url}/{entry.name}")
            known.append(version.version)
        elif version.version > max(there, default=0) and not manifest_alone(version.path):
            new.append(version.version)
            _push_version(store, entry, version, paths)
    return Pushed(model=entry.name, new=tuple(new), known=tuple(known))


def _push_version(store: RemoteStore, entry: ModelEntry, version: VersionEntry, paths: tuple[str, ...]) -> None:
    """Send the files, then what all versions share, then the manifest, which makes the version be there."""
    listed, head = check_manifest(version.path), f"{entry.name}/{version.version}"
    for path in paths:
        folder, _, name = path.partition("/")
        if folder == str(version.version) and name not in listed:
            store.remove(f"{entry.name}/{path}")  # of an unfinished push of another model: serving would refuse it
    for name, sha256 in listed.items():
        if f"{version.version}/{name}" in paths and store.sha256(f"{head}/{name}") == sha256:
            continue
        _refuse_finished(store, head)
        store.upload(version.path / name, f"{head}/{name}")
        if (got := store.sha256(f"{head}/{name}")) != sha256:
            raise RemoteFailed(
                f"{store.url}/{head}/{name}: expected sha256 {sha256[:12]}…, read back {got[:12]}…: somebody else "
                "writes there, or the store lost it. The version was not published: push again"
            )
    for shared in sorted(path for path in entry.path.rglob("*") if path.is_file()):
        name = shared.relative_to(entry.path).as_posix()
        if not is_version(name.partition("/")[0]) and not name.startswith("."):
            _send_shared(store, shared, f"{entry.name}/{name}", known=name in paths)
    if not store.create(f"{head}/{MANIFEST}", (version.path / MANIFEST).read_bytes()):
        _refuse_finished(store, head)


def _send_shared(store: RemoteStore, path: Path, target: str, *, known: bool) -> None:
    if not known or store.read(target) != path.read_text(encoding="utf-8"):
        store.upload(path, target)


def _refuse_finished(store: RemoteStore, head: str) -> None:
    if store.exists(f"{head}/{MANIFEST}"):
        raise VersionTaken(
            f"{store.url}/{head} was published by somebody else meanwhile: pull again, and train with --resume, which "
            "publishes the same weights under the next number"
        )


def _refuse_other_contents(local: Path, here: str, there: str, where: str) -> None:
    if here != there:
        raise VersionTaken(
            f"{where} and {local} are one version with different contents, and versions are immutable: pull into an "
            "empty folder and publish there, which takes the next number"
        )


def _refuse_changed_contract(store: RemoteStore, entry: ModelEntry) -> None:
    there = read_contract(parse_config(store.read(f"{entry.name}/{CONFIG}")))
    here = read_contract(parse_config((entry.path / CONFIG).read_text(encoding="utf-8")))
    refuse_other_contract(there, here, where=f"{store.url}/{entry.name}", offered_is="the one here")


def _manifest_text(version: VersionEntry) -> str:
    try:
        return (version.path / MANIFEST).read_text(encoding="utf-8")
    except OSError as exc:
        raise VersionDamaged(f"{version.path}: no readable manifest; publish the version again") from exc
