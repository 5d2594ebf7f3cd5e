"""The pictures of `slipway predict`: found by its arguments, and shown as a table or as JSON."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from rich.markup import escape
from rich.table import Table

from slipway.client import Prediction
from slipway.errors import SlipwayError
from slipway.printable import printable

__all__ = [
    "ClassifiedPicture",
    "NoPictures",
    "PictureSource",
    "RejectedPicture",
    "find_pictures",
    "pair_with_rows",
    "records",
    "table",
]

STANDARD_INPUT = "-"


class NoPictures(SlipwayError):
    """A folder without pictures, or standard input that cannot be read."""

    exit_status = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSource:
    """One picture to read.

    Attributes:
        name: Name in the results: the path, or "-".
        source: Input of the client.
    """

    name: str
    source: Path | IO[bytes]

    @property
    def message_prefix(self) -> str:
        """Prefix of messages; empty for a path, which the client's messages contain."""
        return "" if isinstance(self.source, Path) else "standard input: "


def find_pictures(words: list[str]) -> list[PictureSource]:
    """Find the pictures of the arguments, in order; those of a folder by name.

    Raises:
        NoPictures: A folder without pictures, or standard input that is a terminal or named twice.
    """
    if words.count(STANDARD_INPUT) > 1:
        raise NoPictures("expected `-` (standard input) at most once, got it twice")
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassifiedPicture:
    """One picture's prediction: row `row` of `prediction`."""

    name: str
    prediction: Prediction
    row: int

    def best(self, count: int) -> list[tuple[str, float]]:
        """The `count` most probable labels with their probabilities."""
        probabilities = self.prediction.probabilities[self.row]
        order = np.argsort(-probabilities, kind="stable")[:count]  # the first of equal ones, like argmax
        return [(self.prediction.class_names[i], float(probabilities[i])) for i in order.tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedPicture:
    """A picture that could not be read, and why."""

    name: str
    why: str


def pair_with_rows(names: list[str], prediction: Prediction) -> list[ClassifiedPicture]:
    """Pair names with the rows of a prediction."""
    return [ClassifiedPicture(name=name, prediction=prediction, row=row) for row, name in enumerate(names)]


def records(results: list[ClassifiedPicture | RejectedPicture], *, top: int | None) -> list[dict[str, object]]:
    """One object per picture; a rejected one has only its name and `error`."""
    return [
        {"file": result.name, "error": result.why} if isinstance(result, RejectedPicture) else _record(result, top)
        for result in results
    ]


def _record(answer: ClassifiedPicture, top: int | None) -> dict[str, object]:
    prediction = answer.prediction
    ((label, probability),) = answer.best(1)
    record: dict[str, object] = {
        "file": answer.name,
        "label": label,
        "probability": probability,
        "probabilities": dict(zip(prediction.class_names, prediction.probabilities[answer.row].tolist(), strict=True)),
        "model": prediction.model_name,
        "version": prediction.model_version,
    }
    if top is not None:
        record["top"] = [{"label": name, "probability": share} for name, share in answer.best(top)]
    return record


def table(pictures: list[ClassifiedPicture], *, top: int | None) -> Table:
    """One row per picture; markup and control characters are escaped."""
    grid = Table(title=_shown(_title(pictures)), title_justify="left")
    grid.add_column("file", overflow="fold")
    grid.add_column("label", style="bold green", overflow="fold")
    grid.add_column("probability", justify="right")
    count = 2 if top is None else top
    if count > 1:
        grid.add_column("next best", overflow="fold")
    for answer in pictures:
        (label, probability), *others = answer.best(count)
        row = [_shown(answer.name), _shown(label), f"{probability:.2%}"]
        if count > 1:
            row.append(_shown(", ".join(f"{name} ({share:.2%})" for name, share in others)))
        grid.add_row(*row)
    return grid


def _title(pictures: list[ClassifiedPicture]) -> str:
    versions = dict.fromkeys(answer.prediction.model_version for answer in pictures)
    return f"model {pictures[0].prediction.model_name}, version {' and '.join(versions)}"


def _shown(text: str) -> str:
    return escape(printable(text))
