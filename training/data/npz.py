"""Read and write NumPy's `.npz`: never a pickle, never half a file."""

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
    """Read named arrays; the others in the file are left alone.

    Raises:
        DataRefused: The file is no npz, is cut short or damaged, lacks a required array, or holds one that
            needs pickle or more memory than its bytes can be trusted with.
        OSError: The file is missing or may not be opened.
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
    """Write compressed arrays: a reader sees the old file or the whole new one, whoever else writes it.

    Raises:
        OSError: The folder cannot be made or written, or the disk is full; nothing is left behind.
    """
    with replacing(path, durable=True) as scratch, scratch.open("xb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
