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


def find_logs(folder: Path) -> list[Path]:
    """The files of a container's starts that are kept, the newest first.

    Args:
        folder: Of the container: `<restarts>.log` for each start.
    """
    return sorted(folder.glob("*.log"), key=lambda file: int(file.stem), reverse=True)


async def read_lines(
    path: Path, *, tail: int | None = None, ended: Callable[[], bool] | None = None
) -> AsyncIterator[list[bytes]]:
    """Read a log, some lines at a time, each with its line end; the last one may have none.

    What is cut off meanwhile because the file has grown too long is passed over.

    Args:
        path: The file.
        tail: Begin with this many last lines; None is all.
        ended: Asked whether nothing will be added any more; None is to read what is there, and no more.
    """
    with path.open("rb") as stream:
        if tail is not None:
            last_bytes = sum(map(len, deque(stream, maxlen=tail)))
            stream.seek(-last_bytes, os.SEEK_CUR)
        while True:
            complete = ended is None or ended()  # asked first: what was said until then is read below
            while lines := stream.readlines(_CHUNK_BYTES):
                if not complete and not lines[-1].endswith(b"\n"):  # it is being written
                    stream.seek(-len(lines.pop()), os.SEEK_CUR)
                    if not lines:
                        break
                yield lines
            if complete:
                return
            await asyncio.sleep(_POLL_S)
            if os.fstat(stream.fileno()).st_size < stream.tell():
                stream.seek(0, os.SEEK_END)
