"""Transfer files to and from a store with a progress bar: download, read, create, replace.

    download(system, "bucket/mnist/3/model.onnx", local, bar)                 # the bar aborts it if it is too large
    read_small(system, "bucket/mnist/3/manifest.sha256", 16 * 2**20)
    create_file(system, local, "bucket/mnist/3/model.onnx", scratch, bar)     # False: it existed, and is untouched

Creation is atomic where the store supports it: S3 and Google Cloud Storage by a conditional write (`If-None-Match: *`,
generation 0), a folder on disk by a hard link. With other back ends of fsspec it is a check followed by a write.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from fsspec.callbacks import Callback
from fsspec.implementations.local import LocalFileSystem
from rich.markup import escape
from rich.progress import Progress

from slipway.printable import printable
from slipway.repository._store.errors import error_code
from slipway.repository._store.listing import is_http

_BLOCK_BYTES = 1 << 20
_TAKEN = {"PreconditionFailed", "412"}
_UNDECIDED = {"ConditionalRequestConflict", "409"}  # S3: another write of the same name is in progress
_TRIES, _PAUSE_S = 10, 0.5


class LargerThanAnnounced(Exception):
    """A file is larger than its store reported, or than the free local disk space."""


class TransferBar(Callback):  # type: ignore[misc]  # fsspec ships no types
    """One file's bar, moved by fsspec after each piece.

    Args:
        progress: The display that it belongs to.
        path: The file's name in the display.
        size_bytes: Expected size; None if unknown.
        most_bytes: A larger transfer is aborted; None for no limit.
    """

    def __init__(self, progress: Progress, path: str, *, size_bytes: int | None, most_bytes: int | None = None) -> None:
        super().__init__(size=size_bytes)
        self._progress = progress
        self._most_bytes = most_bytes
        self._task = progress.add_task(escape(printable(path)), total=size_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self._progress.remove_task(self._task)

    def call(self, hook_name: str | None = None, **kwargs: object) -> None:
        """Update the display.

        Raises:
            LargerThanAnnounced: The transfer exceeds `most_bytes`.
        """
        super().call(hook_name, **kwargs)
        self._progress.update(self._task, total=self.size, completed=self.value)
        if self._most_bytes is not None and max(self.value, self.size or 0) > self._most_bytes:
            raise LargerThanAnnounced(f"expected at most {self._most_bytes} bytes, got more")


def download(system: Any, source: str, target: Path, bar: TransferBar) -> None:  # noqa: ANN401 - fsspec ships no types
    """Download a file, and update the bar after every block.

    Raises:
        LargerThanAnnounced: The file is too large; raised by the bar.
        Exception: Whatever the back end raises.
    """
    if not isinstance(system, LocalFileSystem):
        system.get_file(source, str(target), callback=bar)
        return
    with Path(source).open("rb") as original, target.open("wb") as copy:  # fsspec would copy without callbacks
        while block := original.read(_BLOCK_BYTES):
            bar.relative_update(len(block))
            copy.write(block)


def read_small(system: Any, source: str, most_bytes: int) -> bytes:  # noqa: ANN401
    """A file's bytes, at most one more than allowed."""
    if not is_http(system):
        return bytes(system.cat_file(source, start=0, end=most_bytes + 1))
    content = _Head(most_bytes + 1)  # not every web server supports ranges
    with suppress(_Enough):
        system.get_file(source, content)
    return content.getvalue()[: most_bytes + 1]


class _Enough(Exception):
    """The requested number of bytes was received."""


class _Head(io.BytesIO):
    """A buffer of limited size."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self._most_bytes = most_bytes

    def write(self, block: bytes, /) -> int:  # type: ignore[override]
        written = super().write(block)
        if self.tell() >= self._most_bytes:
            raise _Enough
        return written


def create_file(system: Any, source: Path | bytes, target: str, scratch: str, bar: TransferBar | None) -> bool:  # noqa: ANN401 - fsspec ships no types
    """Write `source` to `target`.

    Args:
        system: fsspec's file system.
        source: A file's path, or the bytes of a small one.
        target: Its path in the file system.
        scratch: A unique path for a temporary file, on the same disk.
        bar: Moved by fsspec after each piece; None for a small file.

    Returns:
        False if the file existed; it is untouched.
    """
    if isinstance(system, LocalFileSystem):
        return _create_on_disk(source, Path(target), Path(scratch))
    for attempt in range(_TRIES):
        try:
            if isinstance(source, bytes):
                system.pipe_file(target, source, mode="create")
            else:
                system.put_file(str(source), target, callback=bar, mode="create")
        except FileExistsError:
            return False
        except OSError as exc:
            if error_code(exc) in _TAKEN:
                return False
            if error_code(exc) not in _UNDECIDED or attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE_S)
        else:
            break
    return True


def replace_file(system: Any, content: bytes, target: str, scratch: str) -> None:  # noqa: ANN401
    """Replace a small file."""
    if not isinstance(system, LocalFileSystem):
        system.pipe_file(target, content)
        return
    _write(content, Path(scratch))
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(scratch).replace(target)


def _create_on_disk(source: Path | bytes, target: Path, scratch: Path) -> bool:
    if target.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write(source, scratch)
        os.link(scratch, target)
    except FileExistsError:
        return False
    except OSError as exc:
        if exc.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}:
            raise
        return _copy_exclusively(scratch, target)  # a disk without hard links
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
    return True


def _copy_exclusively(source: Path, target: Path) -> bool:
    try:
        with target.open("xb") as copy, source.open("rb") as original:
            shutil.copyfileobj(original, copy)
    except FileExistsError:
        return False
    return True


def _write(source: Path | bytes, scratch: Path) -> None:
    scratch.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, bytes):
        scratch.write_bytes(source)
    else:
        shutil.copyfile(source, scratch)
    scratch.chmod(0o644)
