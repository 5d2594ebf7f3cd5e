"""Scratch folders beside the versions, named after their owner, so that those of killed processes are recognised.

No lock is held: on a network share `flock` is local to each node, or not supported. A folder of this machine is
removed once its process is gone; any other once nothing below it has changed for a day.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from slipway.repository._layout import SCRATCH_PREFIX

ABANDONED_AFTER_S = 24 * 3600
"""A process that wrote nothing for so long counts as dead; a pull writes all the time."""

_OWNED = re.compile(
    re.escape(SCRATCH_PREFIX)
    + r"(?P<machine>[0-9a-f]{16})-(?P<pid>[0-9]{1,9})-(?P<started>[0-9]{1,20})-[0-9a-f]{16}-.*"
)
_UNKNOWN = "0" * 16


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Create an empty folder in `parent`; remove it at the end if it was not renamed.

    The name comes from `mkdir`, not from `mkdtemp`: mode 0700 would hide a version from Triton's user.

    Raises:
        OSError: It cannot be created.
    """
    folder = parent / _new_name()
    folder.mkdir()
    try:
        remove_abandoned(parent, now_s=folder.stat().st_mtime)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(parent: Path, *, now_s: float) -> None:
    """Remove the scratch folders whose owner is gone, or which have not changed for a day.

    Args:
        parent: A model's folder.
        now_s: Time by the file server's clock, which also sets modification times.
    """
    for folder in parent.glob(f"{SCRATCH_PREFIX}*"):
        with suppress(OSError):  # in use, or removed by another process meanwhile
            if _owner_is_gone(folder.name) or now_s - _last_change_s(folder) > ABANDONED_AFTER_S:
                doomed = parent / _new_name()
                folder.rename(doomed)  # a process that still writes there then fails, instead of leaving half a version
                shutil.rmtree(doomed, ignore_errors=True)


def _new_name() -> str:
    host = re.sub(r"[^A-Za-z0-9.-]", "", socket.gethostname())[:40]
    return f"{SCRATCH_PREFIX}{_machine()}-{os.getpid()}-{_started(os.getpid()) or 0}-{secrets.token_hex(8)}-{host}"


def _machine() -> str:
    """Scope of a process id: host name, boot, and PID namespace; zeros if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return _UNKNOWN
    return sha256(f"{socket.gethostname()} {boot} {namespace}".encode()).hexdigest()[:16]


def _owner_is_gone(name: str) -> bool:
    """Whether the owner was a process of this machine and has ended; its id may belong to another one by now."""
    owner, machine = _OWNED.fullmatch(name), _machine()
    if owner is None or owner["machine"] != machine or machine == _UNKNOWN:
        return False
    pid = int(owner["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # another user's process
    started = _started(pid)
    return started is not None and started != int(owner["started"])


def _started(pid: int) -> int | None:
    """Start time of a process, in ticks since the boot; None if unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return int(stat.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _last_change_s(folder: Path) -> float:
    """The newest modification time of a folder and of everything below it."""
    newest = folder.lstat().st_mtime
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            newest = max(newest, path.lstat().st_mtime)
    return newest
