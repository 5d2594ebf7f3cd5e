"""What a cluster leaves on the machine: processes, listeners, shared memory."""

from __future__ import annotations

from pathlib import Path

import psutil


def processes(folder: Path, *, named: str = "") -> list[str]:
    """Programs that run for a cluster or a pod: its folder is in their arguments or in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            words, variables = process.cmdline(), process.environ()
        except psutil.Error:
            continue
        told = " ".join(words)
        ours = _within(folder, told) or any(_within(folder, value) for value in variables.values())
        if ours and named in told and process.pid != psutil.Process().pid:
            found.append(f"{process.pid} {told[:150]}")
    return found


def listeners(network: str) -> list[str]:
    """Addresses of a cluster's network that a program listens on."""
    connections = psutil.net_connections(kind="tcp")
    open_ = [one for one in connections if one.status == psutil.CONN_LISTEN and one.laddr]
    return [f"{one.laddr[0]}:{one.laddr[1]}" for one in open_ if one.laddr[0].startswith(f"{network}.")]


def left_of(folder: Path, network: str) -> list[str]:
    """Everything that should be gone when a cluster is down."""
    shared = [str(path) for path in Path("/dev/shm").glob(f"slipway-{network}-*")]
    return [*processes(folder), *listeners(network), *shared, *([str(folder)] if folder.exists() else [])]


def _within(folder: Path, text: str) -> bool:
    return f"{folder}/" in text or text == str(folder) or f"{folder} " in text or text.endswith(f" {folder}")
