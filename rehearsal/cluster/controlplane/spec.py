"""What the supervisor is told to bring up, and the files by which a working folder and its cluster are held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rehearsal.cluster.controlplane.owner import Owner
from rehearsal.cluster.nodes.types import Nodes
from rehearsal.errors import ClusterError, ClusterExists
from slipway.platform.file_lock import FileLock

__all__ = ["LOCK", "Order", "locked", "rehearsing", "taken"]

LOCK = "slipway-cluster.lock"
"""In the working folder; held by the supervisor as long as it lives. A folder without it is not a cluster's."""
_REHEARSING = "rehearsing.lock"


class Order(BaseModel):
    """What somebody wants to have up.

    Attributes:
        folder: The working folder, absolute; everything in it goes when the cluster goes.
        executables: Path by program.
        module_files: Folder by Go module.
        nodes: The machines it can have.
        owner: The process with which it ends; None: it stays until somebody ends it.
    """

    model_config = ConfigDict(frozen=True)

    folder: Path
    executables: dict[str, Path]
    module_files: dict[str, Path]
    nodes: Nodes
    owner: Owner | None = None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a working folder.

    Raises:
        ClusterExists: Another supervisor holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder / LOCK, ClusterExists(taken(folder))):
        yield


def taken(folder: Path) -> str:
    """What is said to whoever wants another cluster in the folder of one that is up."""
    return (
        f"a cluster is up in {folder}: `slipway cluster status` shows it, `slipway cluster down` ends it, "
        "--folder starts another beside it"
    )


@contextmanager
def rehearsing(folder: Path) -> Iterator[None]:
    """Have the cluster in a working folder for one rehearsal alone.

    Raises:
        ClusterError: Another rehearsal is under way on it.
    """
    busy = ClusterError(
        f"a rehearsal is under way on the cluster in {folder}: wait for its end, or give --folder, and another "
        "cluster is brought up beside it"
    )
    with _held(folder / _REHEARSING, busy):
        yield


@contextmanager
def _held(path: Path, refusal: ClusterError) -> Iterator[None]:
    with FileLock(path) as lock:
        try:
            acquired = lock.try_acquire()
        except OSError as exc:
            raise ClusterError(
                f"{path} cannot be locked: {exc.strerror}; name a folder on a disk of this machine with --folder"
            ) from exc
        if not acquired:
            raise refusal
        yield
