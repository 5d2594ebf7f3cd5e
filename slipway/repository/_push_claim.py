"""One push of a model at a time, in a store that has no locks.

    with claimed(store, "mnist", {3: manifest}, console) as claim:
        claim.check()          # before every write: another push has not taken over

The claim is a file that only one push can create. It names what is being pushed, so that the same push, run again after
a kill, continues at once. A different push fails until nothing below the model was written for `ABANDONED_S`. A push
whose claim was taken over notices before its next write, and the manifest is created last and only if none exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console

from slipway.repository._errors import RemoteFailed
from slipway.repository._layout import SCRATCH_PREFIX, is_version
from slipway.repository._manifest_text import MANIFEST

if TYPE_CHECKING:
    from slipway.repository._store.remote_store import RemoteStore

CLAIM = f"{SCRATCH_PREFIX}push"
ABANDONED_S = 600
"""A push that wrote nothing for so long counts as killed; if it was not, its next write is refused."""


class Overtaken(RemoteFailed):
    """Another push has taken over, or finished what this one was doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to write below a model.

    Attributes:
        store: The remote repository.
        path: The claim's file.
        content: Contents of the claim's file.
    """

    store: RemoteStore
    path: str
    content: bytes

    def check(self) -> None:
        """Check that this push still holds the claim.

        Raises:
            Overtaken: It does not.
        """
        if not self._is_ours():
            raise Overtaken(
                f"{self.store.where(self.path)}: another push has taken over, or finished the same: pull, and "
                "push again"
            )

    def release(self) -> None:
        """Release the claim; if the store fails now, the claim expires after `ABANDONED_S`."""
        with suppress(RemoteFailed):
            if self._is_ours():
                self.store.remove(self.path)

    def _is_ours(self) -> bool:
        return self.store.read_if_there(self.path) == self.content


@contextmanager
def claimed(store: RemoteStore, model: str, manifests: Mapping[int, bytes], console: Console) -> Iterator[Claim]:
    """Hold the claim on a model.

    Args:
        store: The remote repository.
        model: Its name.
        manifests: Manifest by number of the versions to push.
        console: For a warning if the store has no conditional writes.

    Raises:
        RemoteFailed: Another push is under way, or was killed not long ago.
    """
    claim = Claim(store=store, path=f"{model}/{CLAIM}", content=_content(manifests))
    if not store.create_text(claim.content, claim.path):
        _take_over(claim, model)
    elif store.create_text(claim.content, claim.path):
        console.print(
            f"{store.url}: this store has no conditional writes and may overwrite an existing file: push from one "
            "machine at a time",
            markup=False,
        )
    try:
        yield claim
    finally:
        claim.release()


def _content(manifests: Mapping[int, bytes]) -> bytes:
    parts = (f"version {number}\n".encode() + content for number, content in sorted(manifests.items()))
    return b"slipway models push\n" + b"".join(parts)


def _take_over(claim: Claim, model: str) -> None:
    """Continue a killed push of the same versions, or replace an abandoned claim."""
    store = claim.store
    current = store.read_if_there(claim.path)
    if current == claim.content:
        return
    if current is None:  # it ended just now
        _create_again(claim)
        return
    written = [path for path in store.sizes() if path.startswith(f"{model}/")]
    newest = max(store.modified(path) for path in (*_unfinished(written), claim.path))
    idle = store.now() - newest
    if idle < timedelta(seconds=ABANDONED_S):
        again_at = newest + timedelta(seconds=ABANDONED_S)
        raise RemoteFailed(
            f"{store.where(claim.path)}: another push of other versions is under way, or was killed: it wrote last at "
            f"{newest:%H:%M:%S} UTC. Push again when it has finished; if it was killed, after {again_at:%H:%M:%S} UTC, "
            "or after removing that object"
        )
    store.remove(claim.path)
    _create_again(claim)


def _create_again(claim: Claim) -> None:
    if not claim.store.create_text(claim.content, claim.path):
        raise RemoteFailed(f"{claim.store.where(claim.path)}: another push began just now: push again after it")


def _unfinished(paths: Iterable[str]) -> list[str]:
    """Files of the versions that have no manifest yet; paths are `<model>/<version>/<file>`."""
    parts = {path: path.split("/") for path in paths}
    finished = {split[1] for split in parts.values() if split[2:] == [MANIFEST]}
    return [
        path for path, split in parts.items() if len(split) > 2 and is_version(split[1]) and split[1] not in finished
    ]
