"""Programs that a test starts, and that neither the test nor pytest leaves behind.

with started(SLIPWAY, "serve", stdout=subprocess.PIPE) as command:
    command.send_signal(signal.SIGINT)          # reaches it, also where pytest itself ignores Ctrl-C (nohup, `&`)
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from slipway.platform.launcher import launch_command
from slipway.platform.sessions import end_session

__all__ = ["started"]


@contextmanager
def started(*words: object, **options: Any) -> Iterator[subprocess.Popen]:
    """Start a program in a session of its own, with Ctrl-C as a terminal has it.

    Args:
        words: The program, as an absolute path, and its arguments.
        options: Of `subprocess.Popen`.

    What is left of its session at the end is killed, and the program is when pytest is gone, however that went.
    """
    command = launch_command(tuple(map(str, words)), last_signal=signal.SIGKILL)
    with subprocess.Popen(command, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            end_session(process.pid, within_s=0)
