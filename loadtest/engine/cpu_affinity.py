"""The generator's place on the machine: off the server's cores, and ahead of whoever else wants its own.

An instrument that waits for a core measures the wait.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

import psutil

__all__ = ["keep_off"]

_NICENESS = -10


def keep_off(cores: Iterable[int]) -> None:
    """Keep every thread of this process off some cores, and raise its priority where that is allowed.

    Where nothing would be left, the process stays where it is.
    """
    mine = os.sched_getaffinity(0) - set(cores)
    for thread in psutil.Process().threads():
        with suppress(ProcessLookupError):
            if mine:
                os.sched_setaffinity(thread.id, mine)
        with suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PROCESS, thread.id, _NICENESS)
