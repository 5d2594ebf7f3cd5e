"""A server that is started again when it dies, and not for ever.

tritonserver 2.51 can be ended from outside (SECURITY.md says how), and one that lost a process of its backend fails
requests without an end.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NoReturn

from slipway.triton._errors import BackendDied, NotReadyInTime, PortTaken, RestartsUsedUp, ServeError, ServerDied

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway.triton._server import TritonServer

__all__ = ["supervise"]

_WINDOW_S = 600.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_MENDABLE = (ServerDied, BackendDied, NotReadyInTime, PortTaken)


def supervise(server: TritonServer, *, restarts: int, tell: Callable[[str], None]) -> NoReturn:
    """Watch a started server, and start it again where it was: the same files, ports and key.

    Args:
        server: It was started.
        restarts: Largest number within ten minutes; 0 ends at the first failure.
        tell: Takes one line for each failure, and for each server that answers again.

    Raises:
        ServeError: What ended it, where no restart is left.
    """
    failures: deque[float] = deque()
    answering = True
    while True:
        try:
            if not answering:
                server.restart()
                answering = True
                tell("tritonserver answers again")
            server.wait()
        except _MENDABLE as exc:
            answering = False
            pause_s = _pause_before(failures, restarts, exc)
            tell(f"{exc}\nstarting it again in {pause_s:g} s, restart {len(failures)} of {restarts} in ten minutes")
            time.sleep(pause_s)


def _pause_before(failures: deque[float], restarts: int, failure: ServeError) -> float:
    """Count a failure, and say how long to wait: twice as long after each within the window."""
    now = time.monotonic()
    failures.append(now)
    while failures[0] < now - _WINDOW_S:
        failures.popleft()
    if len(failures) <= restarts:
        return min(_FIRST_PAUSE_S * 2.0 ** (len(failures) - 1), _LONGEST_PAUSE_S)
    if restarts == 0:
        raise failure
    raise RestartsUsedUp(f"given up after {restarts} restarts in ten minutes (`--restarts`): {failure}") from failure
