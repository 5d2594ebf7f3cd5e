"""The owner of a cluster: a process with which the cluster ends, however that process ended.

owner = Owner.of(os.getpid())
wait_for_end(end, owner)
"""

from __future__ import annotations

import threading
from typing import Self

import psutil
from pydantic import BaseModel, ConfigDict

from rehearsal.errors import ClusterError

__all__ = ["Owner", "wait_for_end"]

_POLL_S = 1.0


class Owner(BaseModel):
    """A process, distinguished from a later one with the same id.

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
            raise ClusterError(f"--until-exit-of {pid}: expected a process that runs, there is none") from exc

    def is_running(self) -> bool:
        """Whether it has not ended; a zombie has."""
        try:
            process = psutil.Process(self.pid)
            return process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def wait_for_end(end: threading.Event, owner: Owner | None) -> None:
    """Return when the end is requested, or when the owner is gone."""
    while not end.wait(_POLL_S):
        if owner is not None and not owner.is_running():
            return
