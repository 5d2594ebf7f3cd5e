"""One child process that does not outlive this one."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from slipway.platform.processes import start_child

if TYPE_CHECKING:
    from slipway.triton._launch import Launch

_SLICE_S = 0.2
_GROUP_POLL_S = 0.01
_GROUP_ENDS_S = 1.0  # not longer: a dead stub counts until init has reaped it, which not every container's does


class ServerProcess:
    """A started tritonserver, in a session of its own: Ctrl-C in a terminal reaches only the process that started it.

    It is reaped at once when it ends: a zombie would keep Triton's stubs alive, which watch for their parent.
    """

    def __init__(self, launch: Launch, log: IO[bytes]) -> None:
        """Start it.

        Raises:
            OSError: It cannot be started.
        """
        # A bare lock, held until the child ends. An Event is no match for Ctrl-C: an exception inside its wait()
        # can leave it locked for ever.
        self._running = threading.Lock()
        self._running.acquire()
        self._child = start_child(
            launch.command,
            # Not SIGKILL: tritonserver answers what is in flight, then removes its shared memory and its children.
            last_signal=signal.SIGTERM,
            log=log,
            environment=launch.environment,
            directory=launch.directory,
            ended=self._running.release,
        )

    @property
    def pid(self) -> int:
        """Process id; also the id of the process group, which Triton's stubs share."""
        return self._child.pid

    def wait(self, timeout_s: float | None) -> int | None:
        """Wait for the end; the exit code (below zero for a signal), or None when the time is over first."""
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while self._child.returncode is None and (left_s := deadline - time.monotonic()) > 0:
            # In slices: a signal that arrives just before the lock is waited for is handled only after the wait.
            if self._running.acquire(timeout=min(left_s, _SLICE_S)):
                self._running.release()
        return self._child.returncode

    def terminate(self) -> None:
        """Ask the process to finish what it has, and end."""
        if self._child.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the process and its stubs at once."""
        if self._child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def end_stubs(self) -> None:
        """End what the process has left behind, when it has ended; wait a moment until it is gone.

        Stubs that were still starting when their server was ended do not end by themselves.
        """
        deadline = time.monotonic() + _GROUP_ENDS_S
        while time.monotonic() < deadline:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return
            time.sleep(_GROUP_POLL_S)
