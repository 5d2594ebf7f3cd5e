"""Start and end clusters: `slipway cluster up|status|down`.

connection = up(folder, programs, nodes, tell=print)
down(folder)
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from rehearsal.cluster.connection import ClusterConnection, read_connection
from rehearsal.cluster.controlplane.spec import LOCK, ClusterSpec, Owner, cluster_exists_message, locked
from rehearsal.cluster.controlplane.supervisor_client import SupervisorClient
from rehearsal.cluster.nodes.pools import Nodes
from rehearsal.errors import ClusterError, ClusterExists, MachineTooSmall, NoCluster
from slipway.platform.output_lines import Lines
from slipway.platform.processes import ChildProcess

__all__ = ["down", "require_usable_folder", "running", "up"]

_MEMORY_GIB, _DISK_GIB = 3.0, 1.0
_END_S = 60.0
_STDERR = 2
_GIB = 2**30
_SUPERVISOR = "rehearsal.cluster.controlplane.supervisor"
_SUPERVISOR_ENDING = "controlplane.supervisor"
"""Part of this module's name in every release: an earlier one may have started the cluster."""


def up(
    folder: Path,
    *,
    executables: Mapping[str, Path],
    module_files: Mapping[str, Path],
    nodes: Nodes,
    tell: Callable[[str, float], None],
    owner_pid: int | None = None,
) -> ClusterConnection:
    """Start a cluster that outlives this process; Ctrl-C during the start leaves nothing running.

    Args:
        folder: Created for the cluster, and removed with it.
        executables: Path by program.
        module_files: Folder by Go module.
        nodes: Its node types.
        tell: Called with each healthy program and the seconds since the start.
        owner_pid: A process with which the cluster ends, even if that is killed.

    Raises:
        ClusterExists: One is up in this folder.
        MachineTooSmall: Not enough memory or disk space.
        ClusterError: It does not start; nothing is left running, the logs stay in the folder.
    """
    folder = folder.resolve()
    require_usable_folder(folder)
    owner = None if owner_pid is None else Owner.of(owner_pid)
    spec = ClusterSpec(
        folder=folder, executables=dict(executables), module_files=dict(module_files), nodes=nodes, owner=owner
    )
    with _supervisor(spec) as (supervisor, lines):
        for line in lines:
            message = json.loads(line)
            if "works" in message:
                tell(message["works"], message["after_s"])
            elif "error" in message:
                error = ClusterError(message["error"])
                error.exit_status = message["exit_status"]
                raise error
            else:
                return ClusterConnection.model_validate(message["up"])
        ended = supervisor.wait(_END_S)
        raise ClusterError(f"the supervisor ended without a message, exit code {ended}; see {folder / 'logs'}")


def running(folder: Path) -> ClusterConnection:
    """The cluster that is up in a folder.

    Raises:
        NoCluster: None is.
    """
    connection = read_connection(folder.resolve())
    if not _is_running(connection.supervisor_pid):
        raise NoCluster(
            f"the cluster in {folder} is gone: its supervisor, process {connection.supervisor_pid}, was killed, and "
            "its programs ended with it; `slipway cluster up` starts a new one"
        )
    return connection


def down(folder: Path) -> bool:
    """End a cluster, and return when all of it has ended.

    Returns:
        Whether it was running; if not, an earlier one had been killed, and only its folder remained.

    Raises:
        NoCluster: There is no cluster in this folder, running or killed.
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
    SupervisorClient(connection).down()
    deadline_s = time.monotonic() + _END_S
    while _is_running(connection.supervisor_pid):
        if time.monotonic() > deadline_s:
            raise ClusterError(
                f"the supervisor, process {connection.supervisor_pid}, still runs after {_END_S:.0f} s; "
                f"`kill -9 {connection.supervisor_pid}` ends it and all its programs"
            )
        time.sleep(0.05)
    return True


@contextmanager
def _supervisor(spec: ClusterSpec) -> Iterator[tuple[ChildProcess, Lines]]:
    """Started, with what it tells, and ended again unless the block returns from it with the cluster up."""
    lines = Lines()
    with lines.writer() as output, tempfile.TemporaryFile() as request:
        request.write(spec.model_dump_json().encode())
        request.seek(0)
        process = ChildProcess(
            (sys.executable, "-P", "-m", _SUPERVISOR),
            input=request,
            output=output,
            errors=_STDERR,
            last_signal=None,  # it outlives the command that brings the cluster up
            environment={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        yield process, lines
    except BaseException:
        process.stop(_END_S)  # its programs end with it
        raise
    finally:
        lines.close()


def _is_running(pid: int) -> bool:
    """Whether this process is a running supervisor; its id may have been reused."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and any(
            _SUPERVISOR_ENDING in word for word in process.cmdline()
        )
    except psutil.NoSuchProcess:
        return False


def require_usable_folder(folder: Path) -> None:
    """Reject an unsuitable folder or machine before the build, which takes half an hour.

    Raises:
        ClusterExists: One is up in this folder.
        ClusterError: The folder holds other files.
        MachineTooSmall: Memory or disk does not suffice.
    """
    folder = folder.absolute()
    with suppress(NoCluster):
        running(folder)
        raise ClusterExists(cluster_exists_message(folder))
    _require_own_folder(folder)
    _require_resources(folder)


def _require_own_folder(folder: Path) -> None:
    """The folder's contents will be removed: it must be new, empty, or an earlier cluster's."""
    existing = _nearest(folder)
    if not existing.is_dir() or not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        raise ClusterError(
            f"{folder}: expected a writable folder, and {existing} is "
            f"{'not writable for this user' if existing.is_dir() else 'not a folder'}; choose another with --folder"
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / LOCK).is_file():
        raise ClusterError(
            f"{folder}: expected an empty folder or that of an earlier cluster, got other files; choose another with "
            "--folder"
        )


def _nearest(folder: Path) -> Path:
    """The folder, or its nearest existing parent."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _require_resources(folder: Path) -> None:
    memory_gib = psutil.virtual_memory().available / _GIB
    if memory_gib < _MEMORY_GIB:
        raise MachineTooSmall(
            f"memory: expected at least {_MEMORY_GIB:g} GiB free for the control plane and a few replicas, got "
            f"{memory_gib:.1f} GiB; end other programs, or use a larger machine"
        )
    existing = _nearest(folder)
    disk_gib = psutil.disk_usage(str(existing)).free / _GIB
    if disk_gib < _DISK_GIB:
        raise MachineTooSmall(
            f"disk: expected at least {_DISK_GIB:g} GiB free at {existing}, got {disk_gib:.1f} GiB; free some, or "
            "choose another folder with --folder"
        )
