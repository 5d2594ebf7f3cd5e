"""The process for which a cluster is up: when it is gone, however it ended, so is the cluster.

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

_LOOK_EVERY_S = 1.0


class Owner(BaseModel):
    """A process, told from a later one that has its number.

    Attributes:
        pid: Its number.
        created: When it began, as the kernel says it.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process that has this number now.

        Raises:
            ClusterError: There is none.
        """
        try:
            return cls(pid=pid, created=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess as exc:
            raise ClusterError(f"--until-exit-of {pid}: expected a process that runs, there is none") from exc

    def lives(self) -> bool:
        """Whether it has not ended; one that nobody has waited for has."""
        try:
            process = psutil.Process(self.pid)
            return process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def wait_for_end(end: threading.Event, owner: Owner | None) -> None:
    """Return when somebody asks for the end, or when the owner is gone."""
    while not end.wait(_LOOK_EVERY_S):
        if owner is not None and not owner.lives():
            return
