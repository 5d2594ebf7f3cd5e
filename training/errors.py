"""The errors of the training job.

* TrainingError
  - RecipeError         the recipe file is missing, not YAML, or has an unknown key or an invalid value;
                        exit status 2
  - DataError           a data set is unavailable, invalid, or unfit for training
      - DataUnavailable     every source was tried and failed; the text lists them
      - DataRefused         the arrays were read, and a check refused them; the text names the rows
  - FitError            the network cannot be built or trained, or a run cannot be resumed
      - FitInterrupted      Ctrl-C or SIGTERM; exit status 130
  - ExportError         the network cannot be written as ONNX, or ONNX and Keras give different results
  - GateRefused         the trained model missed a gate and is not published; exit status 3
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
    """A recipe is invalid; the exit status is that of an invalid command line."""

    exit_status = 2


class DataError(TrainingError):
    """Base class of the errors of data sets."""


class DataUnavailable(DataError):
    """No source could deliver the data set."""


class DataRefused(DataError):
    """The data is unfit for training."""


class FitError(TrainingError):
    """The network cannot be built, trained or resumed."""


class FitInterrupted(FitError):
    """The run was interrupted; the message says how to resume it."""

    exit_status = 130


class ExportError(TrainingError):
    """The trained network cannot be exported faithfully."""


class GateRefused(TrainingError):
    """The model missed a gate and is not published; a retry gives the same result."""

    exit_status = 3


def error_summary(exc: BaseException) -> str:
    """The type of an exception and the beginning of its message, on one printable line."""
    text = " ".join(_TERMINAL_COLOUR.sub("", str(exc)).split())
    kind = type(exc).__name__
    return f"{kind}: {printable(text, limit=400)}" if text else kind


def is_full_disk(exc: BaseException) -> bool:
    """Whether the error or its cause is a full disk or quota; TensorFlow reports that only as text."""
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
    """Translate an OSError of a run's file into a `TrainingError` with a remedy.

    Raises:
        TrainingError: The path cannot be written.
    """
    try:
        yield
    except OSError as exc:
        raise TrainingError(
            f"{path}: cannot be written: {exc.strerror or exc}; free some space, or choose another folder with "
            "--run-dir, and continue with --resume"
        ) from exc
