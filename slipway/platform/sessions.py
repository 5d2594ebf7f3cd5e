"""End what is left of a session: a program that started workers may go without them. It needs psutil.

end_session(leader_pid, within_s=5)
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

import psutil

__all__ = ["end_session"]

_STEP_S = 0.05
_KILLED_S = 5.0
"""What was killed is gone, unless the kernel itself keeps it."""


def end_session(leader: int, *, within_s: float) -> None:
    """Kill the processes of a session, the leader too, that do not end by themselves within some seconds.

    Args:
        leader: The process that began the session. While it has a member, its number is given to no other.
        within_s: How long they may take by themselves.
    """
    for process in _left(leader, within_s):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _left(leader, _KILLED_S)


def _left(leader: int, within_s: float) -> list[psutil.Process]:
    """Who has not gone after some seconds."""
    until_s = time.monotonic() + within_s
    while (members := _members(leader)) and time.monotonic() < until_s:
        time.sleep(_STEP_S)
    return members


def _members(leader: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
