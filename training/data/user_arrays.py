"""A user's own images: an `.npz` with x_train, y_train, x_test, y_test and, if classes have names, `labels`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.arrays import ARRAY_NAMES, Arrays, canonical
from training.data.format_hints import format_hint
from training.data.npz import read_npz
from training.data.rows import SHOWN, Rows
from training.errors import DataRefused, DataUnavailable

__all__ = ["read_user_arrays"]


def read_user_arrays(path: Path) -> tuple[Arrays, tuple[str, ...]]:
    """Read and check a user's arrays.

    Args:
        path: The `.npz`. Images are uint8, (n, height, width) or (n, height, width, 1 or 3); labels are integers
            from 0; `labels`, if there, is one string per class.

    Returns:
        The arrays, and the name of each class: from `labels`, otherwise its number.

    Raises:
        DataUnavailable: There is no file, or it cannot be read.
        DataRefused: Lists all faults, with the first rows.
    """
    try:
        raw = read_npz(path, required=ARRAY_NAMES, optional=("labels",))
        names = raw.pop("labels", None)
        arrays = canonical(raw)
        labels = _numbered(arrays) if names is None else _named(names)
        _check_classes(arrays, labels)
    except OSError as exc:
        raise DataUnavailable(f"{path}: {exc.strerror}; give the path of an .npz file that can be read") from exc
    except DataRefused as exc:
        hint = format_hint(path)
        problems = (hint or str(exc)).replace("\n", "\n  - ")
        raise DataRefused(
            f"{path} cannot be trained on; fix this, and write it again with np.savez:\n  - {problems}"
        ) from exc
    return arrays, tuple(map(str, labels))


def _numbered(arrays: Arrays) -> range | tuple[str, ...]:
    return range(max(int(arrays.y_train.max()), int(arrays.y_test.max())) + 1)


def _named(names: NDArray[Any]) -> tuple[str, ...]:
    if names.ndim != 1 or names.dtype.kind != "U":
        raise DataRefused(
            f"labels: expected one string per class, got {names.dtype} {names.shape}; use np.array([...])"
        )
    labels = tuple(names.tolist())
    unfit = [label for label in labels if not label.isprintable() or label != label.strip() or not label]
    if unfit or len(set(labels)) != len(labels):
        raise DataRefused(f"labels: expected different names of printable characters, got {list(labels)}")
    return labels


def _check_classes(arrays: Arrays, labels: range | tuple[str, ...]) -> None:
    problems = [problem for name in ("y_train", "y_test") for problem in _class_problems(name, arrays, labels)]
    if len(labels) < 2:
        problems.append(f"y_train: expected at least two classes, got {len(labels)}")
    if problems:
        raise DataRefused("\n".join(problems))


def _class_problems(name: str, arrays: Arrays, labels: range | tuple[str, ...]) -> Iterator[str]:
    values: NDArray[np.int64] = getattr(arrays, name)
    outside = (values < 0) | (values >= len(labels))
    if outside.any():
        rows = Rows.where(outside)
        yield (
            f"{name}: expected labels from 0 to {len(labels) - 1}, got "
            f"{', '.join(str(values[row]) for row in rows.first)} in {rows}"
        )
    present = set(values[~outside].tolist())
    missing = len(labels) - len(present)
    if missing:
        named = ", ".join(repr(labels[index]) for index in islice(_absent(present, len(labels)), SHOWN))
        more = f" and {missing - SHOWN:,} more" if missing > SHOWN else ""
        yield (
            f"{name}: expected images of each of {len(labels):,} classes, got none of {named}{more}; leave no gaps: "
            "renumber the classes, consistently in y_train and y_test, or add images"
        )


def _absent(present: set[int], classes: int) -> Iterator[int]:
    return (index for index in range(classes) if index not in present)
