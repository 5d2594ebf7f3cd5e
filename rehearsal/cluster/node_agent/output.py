"""Where a container's output goes, and what of it a termination message keeps. Names are the kubelet's.

<cluster>/logs/pods/<namespace>_<pod>_<uid>/<container>/<restart>.log
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Output", "last_lines", "pod_folder", "read_message", "shorten"]

_MESSAGE_BYTES = 4096
_LAST_BYTES = 2048
_LAST_LINES = 80
_KEPT_RUNS = 2
_KEPT_PODS = 200
_LONGEST_BYTES = 10 * 2**20
_KEPT_BYTES = 2**20


def pod_folder(pod: Mapping[str, Any]) -> str:
    """The name of a pod's folder, which no other pod ever has."""
    metadata = pod["metadata"]
    return f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"


class Output:
    """The output of one pod's containers; it stays when the pod is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, container: str, restarts: int) -> Path:
        """A new file for a start; only the run before it is kept beside."""
        path = self._folder / container / f"{restarts}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        for file in list(path.parent.glob("*.log")):
            if int(file.stem) <= restarts - _KEPT_RUNS:
                file.unlink()
        path.touch()
        return path


def last_lines(log: Path) -> str:
    """What `FallbackToLogsOnError` takes: the last 80 lines, at most 2048 bytes."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _LAST_BYTES))
            tail = stream.read()
    except OSError:
        return ""
    return b"".join(tail.splitlines(keepends=True)[-_LAST_LINES:]).decode(errors="replace")


def read_message(path: Path) -> str:
    """What a container wrote as its termination message; at most 4096 bytes of it."""
    try:
        with path.open("rb") as stream:
            return stream.read(_MESSAGE_BYTES).decode(errors="replace")
    except OSError:
        return ""


def shorten(folder: Path) -> None:
    """Keep `logs/pods` small: the newest pods, and the end of a file that has grown too long.

    A line that is written at that instant can be lost.
    """
    pods = sorted((path for path in folder.glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for pod in pods[:-_KEPT_PODS]:
        shutil.rmtree(pod, ignore_errors=True)
    for file in folder.glob("*/*/*.log"):
        try:
            if file.stat().st_size <= _LONGEST_BYTES:
                continue
            with file.open("r+b") as stream:
                stream.seek(-_KEPT_BYTES, 2)
                end = stream.read()
                stream.seek(0)
                stream.write(end)
                stream.truncate()
        except OSError:
            continue  # gone meanwhile
