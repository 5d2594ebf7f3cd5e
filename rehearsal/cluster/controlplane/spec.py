"""The specification of a cluster that the supervisor brings up, and the locks of its working folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rehearsal.cluster.controlplane.owner import Owner
from rehearsal.cluster.nodes.types import Nodes
from rehearsal.errors import ClusterError, ClusterExists
from slipway.platform.file_lock import FileLock

__all__ = ["LOCK", "ClusterSpec", "cluster_exists_message", "exclusive_rehearsal", "locked"]

LOCK = "slipway-cluster.lock"
"""In the working folder; held by the supervisor as long as it lives. A folder without it is not a cluster's."""
_REHEARSING = "rehearsing.lock"


class ClusterSpec(BaseModel):
    """A cluster to bring up.

    Attributes:
        folder: The working folder, absolute; everything in it goes when the cluster goes.
        executables: Path by program.
        module_files: Folder by Go module.
        nodes: The machines it can have.
        owner: The process with which it ends; None: it stays until `slipway cluster down`.
    """

    model_config = ConfigDict(frozen=True)

    folder: Path
    executables: dict[str, Path]
    module_files: dict[str, Path]
    nodes: Nodes
    owner: Owner | None = None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a working folder.

    Raises:
        ClusterExists: Another supervisor holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / LOCK, ClusterExists(cluster_exists_message(folder))):
        yield


def cluster_exists_message(folder: Path) -> str:
    """The message for another cluster in the folder of one that is up."""
    return (
        f"a cluster is up in {folder}: `slipway cluster status` shows it, `slipway cluster down` ends it, "
        "--folder starts another beside it"
    )


@contextmanager
def exclusive_rehearsal(folder: Path) -> Iterator[None]:
    """Lock the cluster in a working folder for one rehearsal.

    Raises:
        ClusterError: Another rehearsal is under way on it.
    """
    in_use = ClusterError(
        f"a rehearsal is under way on the cluster in {folder}: wait for its end, or give --folder, and another "
        "cluster is brought up beside it"
    )
    with _lock(folder / _REHEARSING, in_use):
        yield


@contextmanager
def _lock(path: Path, refusal: ClusterError) -> Iterator[None]:
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
