"""What the commands `slipway cluster up|status|down` do.

connection = up(folder, programs, nodes, tell=print)
down(folder)
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from rehearsal.cluster.connection import Connection, read_connection
from rehearsal.cluster.controlplane.owner import Owner
from rehearsal.cluster.controlplane.spec import LOCK, Order, locked, taken
from rehearsal.cluster.controlplane.supervisor_client import Control
from rehearsal.cluster.nodes.types import Nodes
from rehearsal.errors import ClusterError, ClusterExists, MachineTooSmall, NoCluster

__all__ = ["down", "require_place", "running", "up"]

_MEMORY_GIB, _DISK_GIB = 3.0, 1.0
_END_S = 60.0
_GIB = 2**30
_SUPERVISOR = "rehearsal.cluster.controlplane.supervisor"


def up(
    folder: Path,
    *,
    executables: Mapping[str, Path],
    module_files: Mapping[str, Path],
    nodes: Nodes,
    tell: Callable[[str, float], None],
    owner_pid: int | None = None,
) -> Connection:
    """Bring a cluster up that stays when this process ends; Ctrl-C before it is up leaves nothing running.

    Args:
        folder: Made for the cluster, and removed with it.
        executables: Path by program.
        module_files: Folder by Go module.
        nodes: The machines it can have.
        tell: Told each program that works, and after how many seconds.
        owner_pid: A process with which the cluster ends, even where it is killed.

    Raises:
        ClusterExists: One is up in this folder.
        MachineTooSmall: Memory or disk does not suffice.
        ClusterError: It does not come up; nothing is left running, the logs stay in the folder.
    """
    folder = folder.resolve()
    require_place(folder)
    owner = None if owner_pid is None else Owner.of(owner_pid)
    order = Order(
        folder=folder, executables=dict(executables), module_files=dict(module_files), nodes=nodes, owner=owner
    )
    with _supervisor(order) as supervisor:
        assert supervisor.stdout is not None  # noqa: S101 - it is a pipe
        for line in supervisor.stdout:
            message = json.loads(line)
            if "works" in message:
                tell(message["works"], message["after_s"])
            elif "error" in message:
                error = ClusterError(message["error"])
                error.exit_status = message["exit_status"]
                raise error
            else:
                return Connection.model_validate(message["up"])
    raise ClusterError(f"the supervisor ended without a word, exit code {supervisor.wait()}; see {folder / 'logs'}")


def running(folder: Path) -> Connection:
    """The cluster that is up in a folder.

    Raises:
        NoCluster: None is.
    """
    connection = read_connection(folder.resolve())
    if not _lives(connection.supervisor_pid):
        raise NoCluster(
            f"the cluster in {folder} is gone: its supervisor, process {connection.supervisor_pid}, was killed, and "
            "its programs ended with it; `slipway cluster up` begins anew"
        )
    return connection


def down(folder: Path) -> bool:
    """End a cluster, and return when nothing of it is left.

    Returns:
        Whether it was up; if not, an earlier one had been killed, and only its folder was left.

    Raises:
        NoCluster: None is up in this folder, nor was one.
        ClusterError: It does not end.
    """
    try:
        connection = running(folder)
    except NoCluster:
        if not (folder / LOCK).is_file():
            raise
        with locked(folder):
            shutil.rmtree(folder)
        return False
    Control(connection).down()
    deadline_s = time.monotonic() + _END_S
    while _lives(connection.supervisor_pid):
        if time.monotonic() > deadline_s:
            raise ClusterError(
                f"the supervisor, process {connection.supervisor_pid}, still runs after {_END_S:.0f} s; "
                f"`kill -9 {connection.supervisor_pid}` ends it and all its programs"
            )
        time.sleep(0.05)
    return True


@contextmanager
def _supervisor(order: Order) -> Iterator[subprocess.Popen[str]]:
    """Started, and ended again unless the block returns from it with the cluster up."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", _SUPERVISOR],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.write(order.model_dump_json())
        process.stdin.close()
        yield process
    except BaseException:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()  # its programs end with it
            process.wait()
        raise
    finally:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        process.stdout.close()


def _lives(pid: int) -> bool:
    """Whether this process is a supervisor that has not ended; the number may be another's by now."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and _SUPERVISOR in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def require_place(folder: Path) -> None:
    """Refuse a place where no cluster can be brought up, before half an hour of building.

    Raises:
        ClusterExists: One is up in this folder.
        ClusterError: The folder holds other files.
        MachineTooSmall: Memory or disk does not suffice.
    """
    folder = folder.absolute()
    with suppress(NoCluster):
        running(folder)
        raise ClusterExists(taken(folder))
    _require_ours(folder)
    _require_room(folder)


def _require_ours(folder: Path) -> None:
    """Everything in the folder will be removed: it must be new, empty, or a cluster's."""
    there = _nearest(folder)
    if not there.is_dir() or not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        raise ClusterError(
            f"{folder}: expected a folder that can be made and written, and {there} is "
            f"{'not writable for this user' if there.is_dir() else 'no folder'}; name another with --folder"
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / LOCK).is_file():
        raise ClusterError(
            f"{folder}: expected an empty folder or one that an earlier cluster left, got other files; name another "
            "with --folder"
        )


def _nearest(folder: Path) -> Path:
    """The folder, or what is there of its way."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _require_room(folder: Path) -> None:
    memory_gib = psutil.virtual_memory().available / _GIB
    if memory_gib < _MEMORY_GIB:
        raise MachineTooSmall(
            f"memory: expected at least {_MEMORY_GIB:g} GiB free for the control plane and a few replicas, got "
            f"{memory_gib:.1f} GiB; end something, or take a larger machine"
        )
    there = _nearest(folder)
    disk_gib = psutil.disk_usage(str(there)).free / _GIB
    if disk_gib < _DISK_GIB:
        raise MachineTooSmall(
            f"disk: expected at least {_DISK_GIB:g} GiB free at {there}, got {disk_gib:.1f} GiB; free some, or name "
            "another place with --folder"
        )
