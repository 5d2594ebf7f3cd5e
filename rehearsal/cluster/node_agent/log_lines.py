"""What a container has said, read from its files as they grow.

path = find_logs(folder)[0]
async for lines in read_lines(path, tail=20, ended=lambda: False):
    sys.stdout.buffer.writelines(lines)
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path

__all__ = ["find_logs", "read_lines"]

_CHUNK_BYTES = 2**16
_POLL_S = 0.2


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
