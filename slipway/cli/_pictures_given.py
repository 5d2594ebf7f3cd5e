"""What a command line names as pictures: files, folders, and standard input."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from slipway.errors import SlipwayError

__all__ = ["Given", "NothingGiven", "pictures_given"]

STANDARD_INPUT = "-"


class NothingGiven(SlipwayError):
    """What was named holds no picture."""

    exit_status = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One picture to read.

    Attributes:
        name: As the answer calls it: the path, or "-".
        source: What the client reads.
    """

    name: str
    source: Path | IO[bytes]

    @property
    def where(self) -> str:
        """How a message names it where the client does not: a path it names itself."""
        return "" if isinstance(self.source, Path) else "standard input: "


def pictures_given(words: list[str]) -> list[Given]:
    """Turn the words of a command line into pictures, in their order; those of a folder by name.

    Raises:
        NothingGiven: A folder without pictures, or standard input that is a terminal or named twice.
    """
    if words.count(STANDARD_INPUT) > 1:
        raise NothingGiven("expected `-`, which is standard input, once, got it again")
    return [given for word in words for given in _given(word)]


def _given(word: str) -> list[Given]:
    if word == STANDARD_INPUT:
        if sys.stdin.isatty():
            raise NothingGiven("expected a picture on standard input, got a terminal: slipway predict - < digit.png")
        return [Given(name=word, source=sys.stdin.buffer)]
    path = Path(word)
    if not path.is_dir():
        return [Given(name=word, source=path)]
    found = _pictures_in(path)
    if not found:
        raise NothingGiven(f"{word}: expected a folder with pictures such as *.png or *.jpg, got none")
    return [Given(name=str(picture), source=picture) for picture in found]


def _pictures_in(folder: Path) -> list[Path]:
    from PIL import Image

    known = {ending for ending, form in Image.registered_extensions().items() if form in Image.OPEN}
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 - names suffice
    return [folder / name for name in names if Path(name).suffix.lower() in known and not (folder / name).is_dir()]
