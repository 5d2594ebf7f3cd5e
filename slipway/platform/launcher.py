"""Executes another program that the kernel kills when the process that started it ends, even if that is killed.

    python -I -S launcher.py <pid of the starter> <signal> <program> [argument ...]

`launch_command` makes that command line. It runs as a script in a separate Python, since hardly anything is safe
between fork and exec of a multi-threaded process. The kernel watches the *thread* that started it, which must live as
long as the program.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["launch_command"]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def launch_command(command: tuple[str, ...], *, last_signal: signal.Signals) -> tuple[str, ...]:
    """The command line that starts `command` as a child that does not outlive this process.

    Args:
        command: The program, as an absolute path, and its arguments.
        last_signal: Signal that the kernel sends it when the thread that started it ends.
    """
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(last_signal)), *command)


def _main(starter: int, last_signal: int, command: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, last_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != starter:
        sys.exit(f"process {starter} ended before {command[0]} was started")
    # Ignored signals stay ignored after exec: SIGPIPE in Python, and SIGINT in a shell's `&` jobs.
    for number in (signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
