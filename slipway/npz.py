"""Read untrusted `.npz` files safely: no pickle, and bounded memory.

    with open_npz(path) as archive:
        archive.names               # ("images", "labels")
        archive.read("images")

Before anything is allocated, the sizes in the archive's directory and in the array's header are compared with each
other, with a limit, and with the compressed size.
"""

from __future__ import annotations

import math
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from slipway.errors import SlipwayError
from slipway.printable import printable

__all__ = ["LARGEST_ARRAY_BYTES", "NpzArchive", "NpzUnreadable", "open_npz"]

LARGEST_ARRAY_BYTES = 64 << 30
"""Largest array that is read, unless the caller sets a lower limit."""

_TRUSTED_BYTES = 64 << 20
_TRUSTED_RATIO = 200
"""A larger array is read only if it is at most so many times its compressed size. Zeros reach 1,000; photographs,
digits and masks stay far below."""

_MAGIC_BYTES = npy.MAGIC_LEN
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Compression methods that NumPy uses."""

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""Header readers by format version; 3.0 is for structured arrays with names beyond Latin-1."""


class NpzUnreadable(SlipwayError, ValueError):
    """The file is not an npz file of plain arrays, is damaged, or would take too much memory."""


class NpzArchive:
    """An open npz file; see `open_npz`."""

    def __init__(self, archive: zipfile.ZipFile, *, limit_bytes: int) -> None:
        self._archive = archive
        self._limit_bytes = limit_bytes
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        repeated = [name for name, count in Counter(info.filename for info in members).items() if count > 1]
        if repeated:
            raise NpzUnreadable(f"expected one array of each name, got several of {printable(repeated[0], limit=80)}")
        self._members = {info.filename.removesuffix(".npy"): info for info in members}

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays, in the file's order."""
        return tuple(self._members)

    def shown_names(self) -> str:
        """The names for an error message; empty if there are none."""
        return printable(", ".join(self.names), limit=200)

    def read(self, name: str) -> NDArray[Any]:
        """Read one array.

        Raises:
            NpzUnreadable: It needs pickle, is damaged, or exceeds a size limit.
            KeyError: There is no array of that name.
        """
        info = self._members[name]
        self._check_sizes(name, info)
        try:
            with self._archive.open(info) as member:
                self._check_header(name, info, member)
            with self._archive.open(info) as member:
                array: NDArray[Any] = npy.read_array(member, allow_pickle=False)
        except NpzUnreadable:
            raise
        except Exception as exc:  # on damaged bytes zipfile, zlib, ast and tokenize raise many types
            raise NpzUnreadable(f"{name}: {_reason(exc)}") from exc
        return array

    def _check_sizes(self, name: str, info: zipfile.ZipInfo) -> None:
        if info.compress_type not in _METHODS or info.flag_bits & 0x1:
            raise NpzUnreadable(f"{name}: expected a compression that np.savez uses, got another")
        if info.file_size > self._limit_bytes:
            raise NpzUnreadable(
                f"{name}: expected at most {self._limit_bytes:,} bytes, got an array of {info.file_size:,}"
            )
        if info.file_size > max(_TRUSTED_BYTES, _TRUSTED_RATIO * info.compress_size):
            raise NpzUnreadable(
                f"{name}: {info.compress_size:,} bytes would unpack to {info.file_size:,}, as in a decompression bomb; "
                "if the file is right, write it with np.savez, which does not compress"
            )

    @staticmethod
    def _check_header(name: str, info: zipfile.ZipInfo, member: IO[bytes]) -> None:
        if info.file_size < _MAGIC_BYTES or member.peek(6)[:6] != npy.MAGIC_PREFIX:  # type: ignore[attr-defined]
            raise NpzUnreadable(f"no arrays in: {name}")
        read_header = _HEADERS.get(npy.read_magic(member))
        if read_header is None:
            raise NpzUnreadable(f"{name}: expected numbers or strings, got another kind of array")
        try:
            shape, _, dtype = read_header(member)
        except Exception as exc:  # NumPy's message may recommend to unpickle
            raise NpzUnreadable(f"{name}: its header cannot be read") from exc
        if dtype.hasobject or dtype.names is not None or dtype.subdtype is not None or dtype.itemsize == 0:
            raise NpzUnreadable(f"{name}: expected numbers or strings, got {_kind(dtype)}")
        if min(shape, default=0) < 0 or len(shape) > 32:
            raise NpzUnreadable(f"{name}: its header has an impossible shape")
        there = info.file_size - member.tell()
        if math.prod(shape) * dtype.itemsize != there:
            raise NpzUnreadable(f"{name}: the size in its header differs from the {there:,} bytes that follow it")


@contextmanager
def open_npz(path: Path, *, limit_bytes: int = LARGEST_ARRAY_BYTES) -> Iterator[NpzArchive]:
    """Open an npz file to read some of its arrays.

    Args:
        path: A regular file; a pipe or device is rejected, since reading it could block for ever.
        limit_bytes: Largest array that `read` returns.

    Raises:
        NpzUnreadable: It is not an npz file; says what it is, if that is recognised.
        OSError: The file is missing or cannot be opened.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise NpzUnreadable("expected a file, got a folder, pipe or device")
    with path.open("rb") as file:
        start = file.read(16)
        file.seek(0)
        try:
            archive = zipfile.ZipFile(file)
        except Exception as exc:  # as for a member
            raise NpzUnreadable(_what_it_is(start) or _reason(exc)) from exc
        with archive:
            yield NpzArchive(archive, limit_bytes=limit_bytes)


def _what_it_is(start: bytes) -> str:
    if start.startswith(npy.MAGIC_PREFIX):
        return "got a single array from np.save; use np.savez"
    if not start:
        return "got an empty file"
    if start.startswith(b"\x80"):
        return "got a pickle, which is never loaded: loading it could run arbitrary code"
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start):
        return "got text: read it with a suitable library, such as np.loadtxt for CSV"
    return ""


def _kind(dtype: np.dtype[Any]) -> str:
    if dtype.hasobject:
        return "Python objects, which need pickle: convert the array to another dtype before it is written"
    return "records" if dtype.names is not None else f"{dtype.kind} of {dtype.itemsize} bytes"


def _reason(exc: Exception) -> str:
    return printable(f"{str(exc) or type(exc).__name__}", limit=200)
