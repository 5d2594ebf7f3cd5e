"""Becomes another program that the kernel ends when the process which started it is gone, however it went.

    python -I -S _launcher.py <pid of the starter> <program> [argument ...]

Run as a file, in a Python of its own: between fork and exec of a process with threads, nothing else is safe.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _main(starter: int, command: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    # SIGTERM, not SIGKILL: tritonserver answers what is in flight, then removes its shared memory and its children.
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != starter:
        sys.exit(f"process {starter} ended before {command[0]} was started")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would hand that on
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
