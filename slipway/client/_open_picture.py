"""Open a picture from a path, a Pillow image, bytes or a file object, as an upright Pillow image.

Imported only when a picture is given.
"""

from __future__ import annotations

import io
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import iscoroutine
from typing import IO, cast

from PIL import Image, ImageOps, UnidentifiedImageError

from slipway.client._errors import InvalidImage
from slipway.printable import printable

__all__ = ["LARGEST_FILE_BYTES", "Opened", "open_picture", "place", "translated"]

LARGEST_FILE_BYTES = 512 << 20
"""Maximum bytes read from a file object: a stream may never end."""

_PROGRAMS = {"EPS"}
"""Formats that are programs: reading one starts an interpreter, which may not end."""


_LOCKS = tuple(threading.Lock() for _ in range(61))
"""One of them is held while a caller's Pillow image is read: Pillow reads one for one thread at a time. Several,
chosen by the image, for images that have nothing to do with each other need not wait for each other."""

_DEEP = re.compile(";16[BLN]")

_LAYERED = {"PSD"}
"""Formats whose frames are the layers of one picture, which they also hold as a whole; Pillow opens that."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture, upright.

    Attributes:
        image: Its pixels, as Pillow reads them.
        deep: The file has 16 bits per channel, of which Pillow keeps the upper 8. Not known of a Pillow image that was
            read before it came here.
    """

    image: Image.Image
    deep: bool


def place(source: object, where: str) -> str:
    """How messages name a picture: by its path, or by its place among several."""
    if isinstance(source, str) or (isinstance(source, os.PathLike) and isinstance(os.fspath(source), str)):
        return f"{printable(os.fspath(source), limit=300)}: "
    return where


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Translate the exceptions that Pillow raises for a damaged picture to `InvalidImage`."""
    try:
        yield
    except InvalidImage:
        raise
    except FileNotFoundError as exc:
        raise InvalidImage(f"{where}no such file") from exc
    except UnidentifiedImageError as exc:
        raise InvalidImage(f"{where}expected an image file such as PNG or JPEG, got something else") from exc
    except Exception as exc:  # Pillow's readers raise what their format's bytes lead them to
        reason = printable(str(exc) or type(exc).__name__, limit=200)
        raise InvalidImage(f"{where}expected a readable image: {reason}") from exc


def open_picture(source: object, where: str, *, frame: int | None) -> Opened:
    """Read one picture, rotated upright by its EXIF orientation.

    Args:
        source: A Pillow image; the path of a file; the bytes of one; or a file object, read from its current position.
        where: Prefix of messages.
        frame: Index of the frame, from 0; None: the file must have only one.

    Raises:
        InvalidImage: The picture cannot be read; says why.
    """
    if isinstance(source, Image.Image):
        with _LOCKS[id(source) // 16 % len(_LOCKS)]:
            return _upright_of_given(source, where, frame)
    if isinstance(source, str | os.PathLike):
        _check_path(source, where)
        with Image.open(source) as image:
            return _upright(image, where, frame)
    content = _content(source, where)
    if not content:
        raise InvalidImage(f"{where}expected the bytes of an image file, got none: has the file been read already?")
    with Image.open(io.BytesIO(content)) as image:
        return _upright(image, where, frame)


def _upright_of_given(image: Image.Image, where: str, frame: int | None) -> Opened:
    """As `_upright`; the caller's image keeps its frame position."""
    position = image.tell()
    try:
        return _upright(image, where, frame)
    except Exception as exc:
        file = getattr(image, "fp", image)  # an image that came from no file has none
        if isinstance(exc, InvalidImage) or not (file is None or getattr(file, "closed", False)):
            raise
        raise InvalidImage(
            f"{where}expected an image with its pixels, got one whose file was closed before they were read: "
            "call image.load() while it is open"
        ) from exc
    finally:
        if image.tell() != position:
            image.seek(position)


def _upright(image: Image.Image, where: str, frame: int | None) -> Opened:
    if image.format in _PROGRAMS:
        raise InvalidImage(f"{where}expected pixels, got a program that draws ({image.format}): save it as PNG first")
    frames = 1 if image.format in _LAYERED else getattr(image, "n_frames", 1)
    if frame is None and frames > 1:
        raise InvalidImage(
            f"{where}expected one picture, got {frames} frames or pages: choose one, frame=0 to frame={frames - 1}"
        )
    if frame is not None and frame >= frames:
        raise InvalidImage(f"{where}frame={frame}: expected less than {frames}, the number of frames in the file")
    if frame is not None and frames > 1 and frame != image.tell():
        image.seek(frame)
    if 0 in image.size:
        raise InvalidImage(f"{where}expected pixels, got a picture of {image.width} x {image.height}")
    # Pillow's recipe for the pixels to come; 16 without a letter are the bits of a pixel.
    deep = any(_DEEP.search(str(tile[3])) for tile in getattr(image, "tile", ()))
    return Opened(ImageOps.exif_transpose(image), deep)


def _check_path(path: str | os.PathLike[str], where: str) -> None:
    mode = os.stat(path).st_mode  # noqa: PTH116 - a str is as good as a Path here
    if stat.S_ISDIR(mode):
        raise InvalidImage(f"{where}expected an image file, got a folder: pass its files")
    if not stat.S_ISREG(mode):
        raise InvalidImage(f"{where}expected an image file, got a pipe or device: read it and pass the bytes")


def _content(source: object, where: str) -> bytes | memoryview:
    if isinstance(source, bytes | bytearray | memoryview):
        return source if isinstance(source, bytes) else bytes(source)
    if not callable(getattr(source, "read", None)):
        hint = ": make it one array, np.array(images, dtype=np.uint8)" if isinstance(source, list | tuple) else ""
        raise InvalidImage(
            f"{where}expected a uint8 array, a Pillow image, the path of an image file, its bytes or an open file, "
            f"got {type(source).__name__}{hint}"
        )
    file = cast("IO[bytes]", source)
    if isinstance(file, io.TextIOBase):
        raise InvalidImage(f'{where}expected a file opened for bytes, got one opened for text: open(path, "rb")')
    if getattr(file, "closed", False) is True:
        raise InvalidImage(f"{where}expected an open file, got a closed one")
    parts: list[bytes] = []
    size = 0
    while size <= LARGEST_FILE_BYTES:
        part = _part_of(file, LARGEST_FILE_BYTES + 1 - size, where)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    raise InvalidImage(f"{where}expected at most {LARGEST_FILE_BYTES:,} bytes, got more")


def _part_of(file: IO[bytes], size: int, where: str) -> bytes:
    part: object = file.read(size)
    if iscoroutine(part):
        part.close()
        raise InvalidImage(f"{where}expected a blocking file, got an asyncio one: pass await file.read()")
    if not isinstance(part, bytes | bytearray | memoryview):
        raise InvalidImage(f"{where}expected a file of bytes, got {type(part).__name__} from its read()")
    return bytes(part)
