"""Becomes another program that the kernel ends when the process which started it is gone, however it went.

    python -I -S launcher.py <pid of the starter> <signal> <program> [argument ...]

`launch_command` makes that command line. It is run as a file, in a Python of its own: between fork and exec of a
process with threads, nothing else is safe. The kernel watches the *thread* that started it, so that thread must live
as long as the program.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["launch_command"]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def launch_command(command: tuple[str, ...], *, last_signal: signal.Signals) -> tuple[str, ...]:
    """The command line that starts `command` as a child which does not outlive this process.

    Args:
        command: The program, as an absolute path, and its arguments.
        last_signal: What the kernel sends it when the thread that started it ends.
    """
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(last_signal)), *command)


def _main(starter: int, last_signal: int, command: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, last_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != starter:
        sys.exit(f"process {starter} ended before {command[0]} was started")
    # Exec hands on what is ignored: SIGPIPE, as Python does, and SIGINT, as a shell does for what it starts with `&`.
    for number in (signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
