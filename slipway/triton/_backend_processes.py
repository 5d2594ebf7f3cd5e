"""The processes that tritonserver's Python backend starts, one for each instance of a model.

tritonserver 2.51 says of a model that it is ready, and refuses its requests, when such a process was killed: every
second one for ever, if it was one of two. It keeps the dead process as a zombie, and that is what is looked for.

A backend process watches for the end of its server, unless that ended while the process was starting: an orphan. A
server that has lost its owner may still answer what it has in hand, so its backend processes are no orphans.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from slipway.platform.processes import signal_name

__all__ = ["DeadBackend", "dead_backends", "end_orphans"]


_NAME = "triton_python_b"  # the kernel keeps 15 characters of `triton_python_backend_stub`
_EXIT_CODE = 49  # proc(5): exit_code is field 52 of stat, and what follows the name begins with field 3
_STUB = b"triton_python_backend_stub"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadBackend:
    """A backend process that ended, and that tritonserver goes on counting on.

    Attributes:
        pid: Its process id.
        ended: How it ended.
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


def end_orphans(name: str) -> None:
    """End the backend processes that outlived their server, at once.

    Args:
        name: Name of its folder, which no other server has; its backend processes have it in their command lines.
    """
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if entry.stat().st_uid == os.getuid() and _is_orphan(entry, name.encode()):
                os.kill(int(entry.name), signal.SIGKILL)


def _is_orphan(entry: Path, name: bytes) -> bool:
    command = (entry / "cmdline").read_bytes()
    if name not in command or not command.split(b"\0")[0].endswith(_STUB):
        return False
    _, parent, *_ = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    try:
        return name not in Path(f"/proc/{parent}/cmdline").read_bytes()
    except OSError:
        return True
