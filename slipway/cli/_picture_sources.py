"""The pictures that a command line names: files, folders, and standard input."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from slipway.errors import SlipwayError

__all__ = ["NoPictures", "PictureSource", "find_pictures"]

STANDARD_INPUT = "-"


class NoPictures(SlipwayError):
    """A folder without pictures, or standard input that cannot be read."""

    exit_status = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSource:
    """One picture to read.

    Attributes:
        name: In the results: the path, or "-".
        source: What the client reads.
    """

    name: str
    source: Path | IO[bytes]

    @property
    def message_prefix(self) -> str:
        """Names the picture in a message; empty for a path, which the client's messages name."""
        return "" if isinstance(self.source, Path) else "standard input: "


def find_pictures(words: list[str]) -> list[PictureSource]:
    """Turn the words of a command line into pictures, in their order; those of a folder by name.

    Raises:
        NoPictures: A folder without pictures, or standard input that is a terminal or named twice.
    """
    if words.count(STANDARD_INPUT) > 1:
        raise NoPictures("expected `-`, which is standard input, once, got it again")
    return [source for word in words for source in _sources(word)]


def _sources(word: str) -> list[PictureSource]:
    if word == STANDARD_INPUT:
        if sys.stdin.isatty():
            raise NoPictures("expected a picture on standard input, got a terminal: slipway predict - < digit.png")
        return [PictureSource(name=word, source=sys.stdin.buffer)]
    path = Path(word)
    if not path.is_dir():
        return [PictureSource(name=word, source=path)]
    pictures = _pictures_in(path)
    if not pictures:
        raise NoPictures(f"{word}: expected a folder with pictures such as *.png or *.jpg, got none")
    return [PictureSource(name=str(picture), source=picture) for picture in pictures]


def _pictures_in(folder: Path) -> list[Path]:
    from PIL import Image

    known = {ending for ending, form in Image.registered_extensions().items() if form in Image.OPEN}
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 - names suffice
    return [folder / name for name in names if Path(name).suffix.lower() in known and not (folder / name).is_dir()]
