"""Copy a file out of a store, or read a small one; a store that sends more than it may is not listened to.

copy_here(system, "bucket/mnist/3/model.onnx", local, bar)      # the bar ends it
read_small(system, "bucket/mnist/3/manifest.sha256", 16 * 2**20)
"""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from slipway.repository._store_bar import Bar
from slipway.repository._store_listing import is_http

_BLOCK_BYTES = 1 << 20


def copy_here(system: Any, source: str, target: Path, bar: Bar) -> None:  # noqa: ANN401 - fsspec ships no types
    """Copy a file to this disk, and tell the bar of every piece.

    Raises:
        MoreThanAnnounced: The bar does, when it is too much.
        Exception: Whatever the back end raises.
    """
    if not isinstance(system, LocalFileSystem):
        system.get_file(source, str(target), callback=bar)
        return
    with Path(source).open("rb") as there, target.open("wb") as here:  # fsspec copies in one go, and tells nobody
        while block := there.read(_BLOCK_BYTES):
            bar.relative_update(len(block))
            here.write(block)


def read_small(system: Any, source: str, most_bytes: int) -> bytes:  # noqa: ANN401
    """A file's bytes, and no more than one more than it may have."""
    if not is_http(system):
        return bytes(system.cat_file(source, start=0, end=most_bytes + 1))
    content = _Head(most_bytes + 1)  # not every web server knows ranges
    with suppress(_Enough):
        system.get_file(source, content)
    return content.getvalue()[: most_bytes + 1]


class _Enough(Exception):
    """As many bytes as are asked for are there."""


class _Head(io.BytesIO):
    """Takes so many bytes, and no more."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self._most_bytes = most_bytes

    def write(self, block: bytes, /) -> int:  # type: ignore[override]
        written = super().write(block)
        if self.tell() >= self._most_bytes:
            raise _Enough
        return written
