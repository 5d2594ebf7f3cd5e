"""Worker: wakes a greenlet at a moment, within some ten microseconds.

    with contextlib.closing(PreciseTimer()) as timer:
        timer.sleep_until(time.monotonic_ns() + 250_000)

gevent's timers have millisecond resolution, because its event loop waits with epoll: a request would be sent up to a
millisecond late, which is the service time of a small model. A Linux timerfd becomes readable with nanosecond
resolution, and epoll can wait for that.
"""

from __future__ import annotations

import ctypes
import os
import time

import gevent
from gevent.hub import Hub
from greenlet import greenlet

__all__ = ["PreciseTimer"]

_READ = 1
_TFD_TIMER_ABSTIME = 1  # linux/timerfd.h
_TFD_NONBLOCK, _TFD_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class PreciseTimer:
    """A timer for one greenlet at a time."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._at = _Itimerspec()
        self._hub: Hub = gevent.get_hub()
        loop = self._hub.loop
        # Highest priority: the precise sleeper runs first among all that is ready.
        self._watcher = loop.io(self._descriptor, _READ, priority=loop.MAXPRI)
        self._sleeper: greenlet | None = None

    def sleep_until(self, moment_ns: int) -> None:
        """Let other greenlets run until `time.monotonic_ns()` reaches `moment_ns`; returns at once if it has passed."""
        if moment_ns <= time.monotonic_ns():
            return
        value = self._at.value
        value.seconds, value.nanoseconds = divmod(moment_ns, 1_000_000_000)
        # Setting the timer also clears its readable state, so nothing has to be read.
        if self._libc.timerfd_settime(self._descriptor, _TFD_TIMER_ABSTIME, ctypes.byref(self._at), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")
        if not self._watcher.active:  # it stays active between sleeps: starting and stopping it each time is expensive
            self._watcher.start(self._wake)
        self._sleeper = gevent.getcurrent()
        try:
            self._hub.switch()
        finally:
            self._sleeper = None

    def _wake(self) -> None:
        if self._sleeper is None:
            self._watcher.stop()  # no sleeper: the descriptor would stay readable, and the loop would spin
        else:
            self._sleeper.switch()

    def close(self) -> None:
        """Close the descriptor. Idempotent."""
        if self._descriptor >= 0:
            self._watcher.stop()
            self._watcher.close()
            os.close(self._descriptor)
            self._descriptor = -1
