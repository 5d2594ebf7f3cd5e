"""The errors of the training job.

* TrainingError
  - RecipeError         the recipe file is missing, is no YAML, or holds an unknown key or an impossible value;
                        exit status 2
  - DataError           a data set is unavailable, is not what it claims to be, or would spoil a model
      - DataUnavailable     every source was tried and failed; the text lists them
      - DataRefused         the arrays were read, and a check refused them; the text names the rows
  - FitError            the network cannot be built or trained, or a run cannot be resumed
      - FitInterrupted      Ctrl-C or SIGTERM; exit status 130
  - ExportError         the trained network cannot be written as ONNX, or ONNX answers differently from Keras
  - GateRefused         the model was trained, and a gate keeps it out of the repository; exit status 3
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.printable import printable

__all__ = [
    "DataError",
    "DataRefused",
    "DataUnavailable",
    "ExportError",
    "FitError",
    "FitInterrupted",
    "GateRefused",
    "RecipeError",
    "TrainingError",
    "error_summary",
    "is_full_disk",
    "map_write_errors",
]

_TERMINAL_COLOUR = re.compile(r"\x1b\[[\d;]*m")  # Keras colours its text
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class TrainingError(SlipwayError):
    """Base class of every error of the training job."""


class RecipeError(TrainingError):
    """A recipe cannot be used, however often it is tried: it ends like a wrong command line."""

    exit_status = 2


class DataError(TrainingError):
    """Base class of everything that is wrong with data."""


class DataUnavailable(DataError):
    """No source could deliver the data set."""


class DataRefused(DataError):
    """The data would poison a model."""


class FitError(TrainingError):
    """The network cannot be built, trained or resumed."""


class FitInterrupted(FitError):
    """Somebody ended the run; the text says how to go on."""

    exit_status = 130


class ExportError(TrainingError):
    """The trained network cannot be exported faithfully."""


class GateRefused(TrainingError):
    """The model may not be published. Its exit status is its own: trying again does not help."""

    exit_status = 3


def error_summary(exc: BaseException) -> str:
    """Name a foreign exception and give the beginning of its text, on one line and fit for a terminal."""
    text = " ".join(_TERMINAL_COLOUR.sub("", str(exc)).split())
    kind = type(exc).__name__
    return f"{kind}: {printable(text, limit=400)}" if text else kind


def is_full_disk(exc: BaseException) -> bool:
    """Whether it, or what caused it, says that the disk or a quota is full; TensorFlow says so in words only."""
    seen: set[int] = set()
    one: BaseException | None = exc
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        if (isinstance(one, OSError) and one.errno in _FULL) or "No space left on device" in str(one):
            return True
        one = one.__cause__ or one.__context__
    return False


@contextmanager
def map_write_errors(path: Path) -> Iterator[None]:
    """Translate an error of the disk, while a file of a run is written, into one sentence with a remedy.

    Raises:
        TrainingError: The path cannot be written.
    """
    try:
        yield
    except OSError as exc:
        raise TrainingError(
            f"{path}: cannot be written: {exc.strerror or exc}; make room, or name another folder with --run-dir, and "
            "go on with --resume"
        ) from exc
