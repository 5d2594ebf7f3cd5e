"""End the remaining processes of a session: a program may exit and leave its workers running. It needs psutil.

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
"""Wait for killed processes, which disappear unless they are stuck in the kernel."""


def end_session(leader: int, *, within_s: float) -> None:
    """Kill the processes of a session, including the leader, that do not end by themselves in time.

    Args:
        leader: The session leader. While the session has members, its id is not reused.
        within_s: Time to end by themselves.
    """
    for process in _left(leader, within_s):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _left(leader, _KILLED_S)


def _left(leader: int, within_s: float) -> list[psutil.Process]:
    """Processes that remain after the wait."""
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
