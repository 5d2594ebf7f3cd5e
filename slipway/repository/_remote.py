"""Copy a model repository to an object store and back; the layout is the same in both.

    pull(root, "s3://models/prod")      # before training: manifests and configurations; no model files
    ...                                 # publish(root, ...) takes the next free number
    push(root, "s3://models/prod")      # after training: new versions

An object store has no rename. A version's manifest is therefore written last, and only if none exists: a version
without a manifest does not count as published, here or in serving. The next push completes what a killed one left.
Only files that manifests list are copied, in both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from slipway.distribution import NotInstalled, install_hint
from slipway.printable import printable
from slipway.repository._errors import Failures, refused_by_disk
from slipway.repository._pull import carry_out
from slipway.repository._pull_plan import PullPlan, left_behind, plan_pull, refuse_without_space, unsealed
from slipway.repository._push import push_model
from slipway.repository._remote_models import RemoteModel, remote_models
from slipway.repository._store.redaction import shown_url
from slipway.repository._versions import find_model, list_models

if TYPE_CHECKING:
    from slipway.repository._store.remote_store import RemoteStore

_QUIET = Console(quiet=True)


def _ignore(_done: object) -> None:
    """Default: no progress report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """Result of a pull for one model.

    Attributes:
        model: Its name.
        versions: Numbers that are published at the URL, ascending.
        complete: Those whose files are on disk too, verified.
        left: Remote paths of the model that no manifest lists; they were not copied.
        sealed: Whether a manifest at the URL lists the files that all versions share; otherwise they were copied
            unverified.
    """

    model: str
    versions: tuple[int, ...]
    complete: tuple[int, ...]
    left: tuple[str, ...] = ()
    sealed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """Result of a push for one model.

    Attributes:
        model: Its name.
        new: Versions that it published, ascending.
        known: Versions that were already published with the same contents.
    """

    model: str
    new: tuple[int, ...]
    known: tuple[int, ...]


def pull(
    root: Path,
    url: str,
    *,
    model: str | None = None,
    complete: bool = False,
    console: Console = _QUIET,
    tell: Callable[[Pulled], None] = _ignore,
) -> tuple[Pulled, ...]:
    """Copy what is published at a URL into the repository in `root`.

    A model is validated before anything of it is written: no name leads out of its folder, only files that a manifest
    lists are copied, and the download fits on the disk. A fault in one model does not stop the others.

    Of a remote model without a manifest of its own (older releases wrote none), `config.pbtxt`, `labels.txt` and
    `configs/*.pbtxt` are copied by name, and no other file outside the versions.

    Args:
        root: Model repository on disk; created if missing.
        url: Remote repository; an empty one is no error: the first training publishes version 1.
        model: One model; every model if not given.
        complete: Copy every file of every version, verified. Without it only manifests are copied: enough to number
            the next version, not enough to serve.
        console: For progress, and for the names of files that were not copied.
        tell: Called with each model as soon as it is pulled; failures of others are raised at the end.

    Raises:
        RemoteFailed: The remote repository cannot be reached, does not exist, refuses, or holds an unsafe name.
        VersionTaken: A local version has other contents than the remote one.
        VersionDamaged: The downloaded files differ from the manifest.
        SeveralFailed: Several of these, for different models or versions.
        PublishFailed: The disk refused, or is too full; then nothing was copied.
    """
    failures, pulled = Failures(), []
    with _store(url, console) as store:
        plans, action = [], f"pull {store.url}"
        for each in remote_models(store, chosen=model):
            if each.fault or each.versions:
                with failures.kept(), refused_by_disk(action, root):
                    plans.append(plan_pull(root, store, each, complete=complete))
        with failures.kept(), refused_by_disk(action, root):
            free_bytes = refuse_without_space(root, {plan.model.name: plan.coming_bytes for plan in plans}, store.url)
        for plan in plans:
            for line in filter(None, (left_behind(plan), unsealed(plan))):
                console.print(line, markup=False)
            with failures.kept(), refused_by_disk(action, root):
                carry_out(root, store, plan, free_bytes=free_bytes)
                pulled.append(_pulled(plan, complete=complete))
                tell(pulled[-1])
    failures.raise_any()
    return tuple(pulled)


def _pulled(plan: PullPlan, *, complete: bool) -> Pulled:
    versions = plan.model.versions
    return Pulled(
        model=plan.model.name,
        versions=versions,
        complete=versions if complete else (),
        left=plan.left,
        sealed=plan.sealed,
    )


def push(
    root: Path,
    url: str,
    *,
    model: str | None = None,
    console: Console = _QUIET,
    tell: Callable[[Pushed], None] = _ignore,
) -> tuple[Pushed, ...]:
    """Publish every local version that is newer than all versions at a URL.

    A file is created only if none of its name exists, read back, and compared with the manifest before the version
    counts as published; the whole version is read back once more after that. Of two pushes of one number with
    different contents one wins and the other fails. Versions that are older than the newest remote one and missing
    there were pruned, and are not sent again.

    Args:
        root: Model repository on disk.
        url: Remote repository.
        model: One model; every model if not given.
        console: For progress.
        tell: Called with each model as soon as it is pushed; failures of others are raised at the end.

    Raises:
        RemoteFailed: The remote repository cannot be reached, refuses, or lost what was written; or another push of
            the model is under way.
        VersionTaken: A version is published at the URL with other contents.
        ContractChanged: The model is published at the URL with other inputs, outputs or labels.
        VersionDamaged: A local version differs from its manifest; nothing of it was sent.
        SeveralFailed: Several of these, for different models.
        ModelNotPublished: There is nothing to push.
    """
    entries = list_models(root) if model is None else (find_model(root, model),)
    failures, pushed = Failures(), []
    with _store(url, console) as store:
        store.refuse_read_only()
        remotes = {each.name: each for each in remote_models(store, chosen=model)}
        for entry in (each for each in entries if each.versions):
            with failures.kept():
                remote = remotes.get(entry.name, RemoteModel(name=entry.name, sizes={}))
                remote.refuse_hostile()
                new, known = push_model(store, entry, remote, console)
                pushed.append(Pushed(model=entry.name, new=new, known=known))
                tell(pushed[-1])
    failures.raise_any()
    return tuple(pushed)


def check_pushable(url: str, *, console: Console = _QUIET) -> None:
    """Fail before training where `push` would fail after it: no write access.

    Raises:
        RemoteFailed: A probe file cannot be written, or cannot be removed.
    """
    with _store(url, console) as store:
        store.check_writable()


@contextmanager
def _store(url: str, console: Console) -> Iterator[RemoteStore]:
    try:
        from slipway.repository._store.connect import open_store  # noqa: PLC0415  # fsspec is an extra
    except ModuleNotFoundError as exc:
        raise NotInstalled(
            f"{printable(shown_url(url))}: remote repositories need fsspec: {install_hint('remote')}"
        ) from exc
    with open_store(url, console) as store:
        yield store
