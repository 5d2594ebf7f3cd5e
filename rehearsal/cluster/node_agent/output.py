"""The output of containers: where it goes, how it is read as it grows, and what of it a termination message keeps.

    <cluster>/logs/pods/<namespace>_<pod>_<uid>/<container>/<restart>.log

    path = find_logs(folder)[0]
    async for lines in read_lines(path, tail=20, ended=lambda: False):
        sys.stdout.buffer.writelines(lines)

Names are the kubelet's.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Output", "find_logs", "last_lines", "pod_folder", "read_lines", "read_message", "shorten"]

_MESSAGE_BYTES = 4096
_LAST_BYTES = 2048
_LAST_LINES = 80
_KEPT_RUNS = 2
_KEPT_PODS = 200
_LONGEST_BYTES = 10 * 2**20
_KEPT_BYTES = 2**20

_CHUNK_BYTES = 2**16
_POLL_S = 0.2


def pod_folder(pod: Mapping[str, Any]) -> str:
    """The unique name of a pod's folder."""
    metadata = pod["metadata"]
    return f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"


class Output:
    """Log files of one pod's containers; they are kept after the pod's end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, container: str, restarts: int) -> Path:
        """Create the file of a run; of earlier runs only the previous one is kept."""
        path = self._folder / container / f"{restarts}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        for file in list(path.parent.glob("*.log")):
            if int(file.stem) <= restarts - _KEPT_RUNS:
                file.unlink()
        path.touch()
        return path


def last_lines(log: Path) -> str:
    """The text for `FallbackToLogsOnError`: the last 80 lines, at most 2048 bytes."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _LAST_BYTES))
            tail = stream.read()
    except OSError:
        return ""
    return b"".join(tail.splitlines(keepends=True)[-_LAST_LINES:]).decode(errors="replace")


def read_message(path: Path) -> str:
    """The termination message that a container wrote, at most 4096 bytes."""
    try:
        with path.open("rb") as stream:
            return stream.read(_MESSAGE_BYTES).decode(errors="replace")
    except OSError:
        return ""


def shorten(folder: Path) -> None:
    """Limit the size of `logs/pods`: keep the newest pods, and the end of files that are too long.

    A line that is written at the same moment can be lost.
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


def find_logs(folder: Path) -> list[Path]:
    """The kept log files of a container's runs, newest first.

    Args:
        folder: Folder of the container, with `<restarts>.log` for each start.
    """
    return sorted(folder.glob("*.log"), key=lambda file: int(file.stem), reverse=True)


async def read_lines(
    path: Path, *, tail: int | None = None, ended: Callable[[], bool] | None = None
) -> AsyncIterator[list[bytes]]:
    """Read a log in batches of lines, each with its line end; the last one may have none.

    Lines that are truncated meanwhile, because the file is too long, are skipped.

    Args:
        path: The file.
        tail: Number of last lines to begin with; None for all.
        ended: Whether the log is complete; None to read only its current contents.
    """
    with path.open("rb") as stream:
        if tail is not None:
            last_bytes = sum(map(len, deque(stream, maxlen=tail)))
            stream.seek(-last_bytes, os.SEEK_CUR)
        while True:
            complete = ended is None or ended()  # checked first: output up to now is read below
            while lines := stream.readlines(_CHUNK_BYTES):
                if not complete and not lines[-1].endswith(b"\n"):  # an incomplete line
                    stream.seek(-len(lines.pop()), os.SEEK_CUR)
                    if not lines:
                        break
                yield lines
            if complete:
                return
            await asyncio.sleep(_POLL_S)
            if os.fstat(stream.fileno()).st_size < stream.tell():
                stream.seek(0, os.SEEK_END)
