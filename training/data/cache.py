"""The copy of MNIST on this machine: one `.npz` with the arrays that Keras' file has, so that either can stand in."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data.arrays import ARRAY_NAMES, Arrays
from training.data.canonical import canonical
from training.data.npz import read_npz, write_npz
from training.errors import DataUnavailable

__all__ = ["Cache"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """A file of four arrays.

    Attributes:
        path: The file.
    """

    path: Path

    @property
    def name(self) -> str:
        """For messages."""
        home = Path.home()
        shown = Path("~", self.path.relative_to(home)) if self.path.is_relative_to(home) else self.path
        return f"cache {shown}"

    def fetch(self) -> Arrays:
        """Read the arrays.

        Raises:
            DataUnavailable: There is no file.
            DataRefused: The file is damaged.
        """
        try:
            raw = read_npz(self.path, required=ARRAY_NAMES)
        except FileNotFoundError as exc:
            raise DataUnavailable("no file yet") from exc
        return canonical(raw)

    def store(self, arrays: Arrays) -> None:
        """Keep the arrays for the next time. A folder that cannot be written is a warning: the data is there."""
        narrow = {
            "x_train": arrays.x_train.squeeze(-1),
            "y_train": arrays.y_train.astype(np.uint8),
            "x_test": arrays.x_test.squeeze(-1),
            "y_test": arrays.y_test.astype(np.uint8),
        }
        try:
            write_npz(self.path, narrow)
        except OSError as exc:
            log.warning("%s: not written (%s); the data set will be downloaded again next time", self.name, exc)

    def discard(self) -> None:
        """Remove a file that is not what it claims to be."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as exc:
            log.warning("%s: cannot be removed (%s); remove it by hand", self.name, exc)
