"""The processes that tritonserver's Python backend starts, one for each instance of a model.

tritonserver 2.51 says of a model that it is ready, and refuses its requests, when such a process was killed: every
second one for ever, if it was one of two. It keeps the dead process as a zombie, and that is what is looked for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from slipway.platform.processes import signal_name

__all__ = ["DeadBackend", "dead_backends"]

_NAME = "triton_python_b"  # the kernel keeps 15 characters of `triton_python_backend_stub`
_EXIT_CODE = 49  # proc(5): exit_code is field 52 of stat, and what follows the name begins with field 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadBackend:
    """A backend process that ended, and that tritonserver goes on counting on.

    Attributes:
        pid: Its process id.
        ended: How, in words.
    """

    pid: int
    ended: str


def dead_backends(server_pid: int) -> tuple[DeadBackend, ...]:
    """Find the dead among the backend processes of one tritonserver.

    A process that tritonserver ended itself is one too, for an instant: what is found twice in a row is dead.
    """
    found = []
    for child in _children(server_pid):
        try:
            _, _, rest = Path(f"/proc/{child}/stat").read_text(encoding="ascii", errors="replace").partition("(")
        except OSError:
            continue
        name, _, fields = rest.rpartition(")")
        state, *_ = words = fields.split()
        if state == "Z" and name == _NAME:
            found.append(DeadBackend(pid=child, ended=_in_words(int(words[_EXIT_CODE]))))
    return tuple(found)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text(encoding="ascii").split())
        except OSError:
            continue
    return found


def _in_words(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"was killed by {signal_name(os.WTERMSIG(status))}"
    return f"ended with code {os.waitstatus_to_exitcode(status)}"
