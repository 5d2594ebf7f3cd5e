"""Read and write NumPy's `.npz`: without pickle, and atomically."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipway.npz import NpzUnreadable, open_npz
from slipway.platform.atomic_write import replacing
from training.errors import DataRefused

__all__ = ["read_npz", "write_npz"]


def read_npz(path: Path, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    """Read named arrays, ignoring others.

    Raises:
        DataRefused: The file is not an npz file, truncated or damaged, lacks a required array, or has one that needs
            pickle or too much memory.
        OSError: The file is missing or cannot be opened.
    """
    try:
        with open_npz(path) as archive:
            missing = [name for name in required if name not in archive.names]
            if missing:
                raise DataRefused(
                    f"expected the arrays {', '.join(required)}; missing: {', '.join(missing)}; "
                    f"the file holds: {archive.shown_names() or 'nothing'}"
                )
            return {name: archive.read(name) for name in (*required, *optional) if name in archive.names}
    except NpzUnreadable as exc:
        raise DataRefused(f"not a whole npz file of plain arrays ({exc})") from exc


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write compressed arrays atomically: a reader sees the old file or the complete new one.

    Raises:
        OSError: The folder cannot be created or written, or the disk is full; no temporary file remains.
    """
    with replacing(path, durable=True) as scratch, scratch.open("xb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
