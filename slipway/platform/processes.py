"""Children that end when this process does, however it ends.

child = start_child(("/bin/sleep", "60"), last_signal=signal.SIGTERM, log=log, ended=event.set)
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import IO

from slipway.platform.launcher import launch_command

__all__ = ["signal_name", "start_child"]


def start_child(
    command: tuple[str, ...],
    *,
    last_signal: signal.Signals,
    log: IO[bytes],
    environment: Mapping[str, str],
    directory: Path | None,
    ended: Callable[[], None],
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own: Ctrl-C in a terminal reaches only the process that started it.

    The kernel watches the *thread* that started it: a thread of its own does, stays until it ends, and reaps it at
    once.

    Args:
        command: The program, as an absolute path, and its arguments.
        last_signal: What the kernel sends it when this process is gone.
        log: Takes both of its streams.
        environment: Variables beside this process's.
        directory: Where it runs; None is where this process runs.
        ended: Called in that thread when it has ended and its exit code is known.

    Raises:
        OSError: It cannot be started.
    """
    words = launch_command(command, last_signal=last_signal)
    started: Future[subprocess.Popen[bytes]] = Future()

    def run() -> None:
        try:
            child = subprocess.Popen(
                words,
                cwd=directory,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as exc:
            started.set_exception(exc)
            return
        started.set_result(child)
        child.wait()
        ended()

    threading.Thread(target=run, name=Path(command[0]).name, daemon=True).start()
    try:
        return started.result()
    except BaseException:  # Ctrl-C: nobody would know the child
        started.add_done_callback(_end_unknown)
        raise


def signal_name(number: int) -> str:
    """Such as `SIGKILL`; most real-time signals have a number and no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end_unknown(started: Future[subprocess.Popen[bytes]]) -> None:
    if started.exception() is None:
        with suppress(ProcessLookupError):
            os.killpg(started.result().pid, signal.SIGKILL)
