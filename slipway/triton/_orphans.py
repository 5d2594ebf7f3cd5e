"""Backend processes whose tritonserver ended while they were being started: they watch for its end too late.

A server that has lost its owner may still answer what it has in hand, so its backend processes are left alone.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

__all__ = ["end_orphans"]

_STUB = b"triton_python_backend_stub"


def end_orphans(name: str) -> None:
    """End what is left of a server at once.

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
