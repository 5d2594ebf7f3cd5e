"""The specification of a cluster that the supervisor brings up, its owner, and the locks of its working folder.

owner = Owner.of(os.getpid())        # the cluster ends with this process, however it ends
wait_for_end(end, owner)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil
from pydantic import BaseModel, ConfigDict

from rehearsal.cluster.nodes.pools import Nodes
from rehearsal.errors import ClusterError, ClusterExists
from slipway.platform.file_lock import FileLock

__all__ = ["LOCK", "ClusterSpec", "Owner", "cluster_exists_message", "exclusive_rehearsal", "locked", "wait_for_end"]

LOCK = "slipway-cluster.lock"
"""Lock file in the working folder, held by the supervisor. A folder without it is not a cluster's."""
_REHEARSING = "rehearsing.lock"

_POLL_S = 1.0


class Owner(BaseModel):
    """A process, identified by its id and start time.

    Attributes:
        pid: Process id.
        created: Start time, from the kernel.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """The running process with this id.

        Raises:
            ClusterError: There is none.
        """
        try:
            return cls(pid=pid, created=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess as exc:
            raise ClusterError(f"--until-exit-of {pid}: expected a running process, there is none") from exc

    def is_running(self) -> bool:
        """Whether it is running; a zombie is not."""
        try:
            process = psutil.Process(self.pid)
            return process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def wait_for_end(end: threading.Event, owner: Owner | None) -> None:
    """Return when the end is requested, or when the owner has ended."""
    while not end.wait(_POLL_S):
        if owner is not None and not owner.is_running():
            return


class ClusterSpec(BaseModel):
    """The specification of a cluster.

    Attributes:
        folder: The working folder, absolute; its contents are removed with the cluster.
        executables: Path by program.
        module_files: Folder by Go module.
        nodes: Its node types.
        owner: The process with which it ends; None if only `slipway cluster down` ends it.
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
    """Message for a folder in which a cluster is already running."""
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
                f"{path} cannot be locked: {exc.strerror}; choose a folder on a local disk with --folder"
            ) from exc
        if not acquired:
            raise refusal
        yield
