"""Bring a model repository to an object store and back: the layout there is the layout on disk.

    pull(root, "s3://models/prod")      # before training: numbers, manifests, configurations; no model files
    ...                                 # publish(root, ...) takes the next free number
    push(root, "s3://models/prod")      # after training: what is new

An object store has no rename. The manifest of a version is therefore written last, and only if it is not there yet: a
version without manifest is not there, for serving as for these two. What a killed push left is completed by the next.
Only what manifests list travels, in both directions.
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
    """Who calls waits for the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What is known of one model after a pull.

    Attributes:
        model: Its name.
        versions: Numbers that are published there, ascending.
        complete: Those whose files are here too, verified.
        left: Paths below the model there that no manifest lists; they were not copied.
        sealed: Whether a manifest of the model there lists the files that all versions share; else they came by their
            names, unverified.
    """

    model: str
    versions: tuple[int, ...]
    complete: tuple[int, ...]
    left: tuple[str, ...] = ()
    sealed: bool = True


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
    root: Path,
    url: str,
    *,
    model: str | None = None,
    complete: bool = False,
    console: Console = _QUIET,
    tell: Callable[[Pulled], None] = _ignore,
) -> tuple[Pulled, ...]:
    """Make the repository in `root` know what is published at a URL.

    Everything of a model is proven before anything of it is written: names from outside stay inside, only what a
    manifest lists is copied, and all that comes fits on the disk. A model with a fault keeps no other from coming.

    A remote repository from before models had a manifest of their own gives its `config.pbtxt`, `labels.txt` and
    `configs/*.pbtxt` by these names, and nothing else beside the versions.

    Args:
        root: Model repository on disk; made if it is not there.
        url: Remote repository; an empty place is no error: the first training publishes version 1.
        model: One model; every model if not given.
        complete: Bring every file of every version, verified. Without it a version here is its manifest alone: enough
            to number the next one, not enough to serve.
        console: For progress, and for what was left there.
        tell: Told of each model that was pulled, at once: faults of others are raised at the end.

    Raises:
        RemoteFailed: The remote repository cannot be reached, is not there, refuses, or holds a hostile name.
        VersionTaken: A version here has other contents than the one there.
        VersionDamaged: What came is not what the manifest lists.
        SeveralFailed: These, of more than one model or version.
        PublishFailed: The disk refused, or has no room for what the store offers: nothing was copied then.
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
    """Publish at a URL what is published here and newer than everything there.

    A file is created only where none of its name is, read back, and compared with the manifest before the version
    counts as published; the whole version is read back once more after that. Of two pushes of one number with
    different contents one wins, and the other is told. Versions that are older than the newest there and absent from
    it were pruned, and stay away.

    Args:
        root: Model repository on disk.
        url: Remote repository.
        model: One model; every model if not given.
        console: For progress.
        tell: Told of each model that was pushed, at once: faults of others are raised at the end.

    Raises:
        RemoteFailed: The remote repository cannot be reached, or refuses, or did not keep what was written; or another
            push of the model is under way.
        VersionTaken: A version is published there with other contents.
        ContractChanged: The model is published there with other inputs, outputs or labels.
        VersionDamaged: A version here is not what its manifest lists; nothing of it was sent.
        SeveralFailed: These, of more than one model.
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
    """Refuse now what `push` would refuse after an hour of training: nobody may write there.

    Raises:
        RemoteFailed: It cannot be written, or what was written cannot be removed.
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
