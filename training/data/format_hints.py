"""Hints for data in other formats than npz: recognise the format, and print the commands that convert it.

    format_hint(path)     # 'this is an IDX file of bytes, 60000 x 28 x 28, expected an npz: ... np.frombuffer(...)'

A folder of pictures, the IDX files of MNIST, and text tables are recognised; of a table only the first lines are read.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections import Counter
from pathlib import Path

__all__ = ["format_hint"]

_GZIP = b"\x1f\x8b"
_IDX_UINT8 = b"\0\0\x08"
_LINES = 200
_LONGEST = 1 << 20
_SEPARATORS = (",", ";", "\t", "|")
_NUMBER = re.compile(r'\s*"?[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?"?\s*')


def format_hint(path: Path) -> str:
    """Describe the format, with the commands that convert it to npz; empty for an unknown format.

    Raises:
        OSError: The file cannot be read.
    """
    return _folder_hint(path) or _idx_hint(path) or _table_hint(path)


def _folder_hint(path: Path) -> str:
    if path.is_dir():
        return (
            "expected a file, got a folder. With one for each class below it: "
            "labels = sorted(p.name for p in Path(FOLDER).iterdir()); "
            "files = [(i, f) for i, n in enumerate(labels) for f in sorted((Path(FOLDER) / n).iterdir())]; "
            "x = np.stack([np.asarray(Image.open(f).convert('L').resize((WIDTH, HEIGHT))) for _, f in files]); "
            "y = np.array([i for i, _ in files]); then shuffle both alike, set test images aside, and np.savez them "
            "with labels=np.array(labels)"
        )
    return ""


def _idx_hint(path: Path) -> str:
    shape = _idx_shape(path) if path.is_file() else ()
    if not shape:
        return ""
    content = "gzip.decompress(Path(PATH).read_bytes())" if _is_gzip(path) else "Path(PATH).read_bytes()"
    return (
        f"this is an IDX file of bytes, {' x '.join(map(str, shape))}, expected an npz: read each of the four with "
        f"np.frombuffer({content}, np.uint8, offset={4 + 4 * len(shape)}).reshape{shape}, labels with "
        "astype(np.int64) besides; then np.savez('my.npz', x_train=..., y_train=..., x_test=..., y_test=...). "
        "EMNIST's images lie on their side: x.transpose(0, 2, 1)"
    )


def _idx_shape(path: Path) -> tuple[int, ...]:
    """The shape in the header of an IDX file; empty if it is not one."""
    try:
        with gzip.open(path) if _is_gzip(path) else path.open("rb") as file:
            magic = file.read(4)
            axes = magic[3] if len(magic) == 4 and magic[:3] == _IDX_UINT8 else 0
            sizes = file.read(4 * axes) if 0 < axes <= 4 else b""
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return ()
    return struct.unpack(f">{axes}I", sizes) if sizes and len(sizes) == 4 * axes else ()


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def _table_hint(path: Path) -> str:
    lines = _first_lines(path) if path.is_file() else []
    separator = _separator(lines)
    if separator is None:
        return ""
    table = [line.split(separator) for line in lines]
    columns, _ = Counter(len(row) for row in table).most_common(1)[0]
    header = int(len(table) > 1 and not _any_number(table[0]) and _any_number(table[1]))
    ragged = [number for number, row in enumerate(table, start=1) if len(row) != columns]
    odd = [number for number, row in enumerate(table, start=1) if number > header and not _numbers(row)]
    shown = {"\t": "a tab"}.get(separator, repr(separator))
    sentences = [f"this is text: {columns:,} columns separated by {shown}{' below a header line' if header else ''}"]
    if ragged:
        sentences.append(f"line {ragged[0]:,} has {len(table[ragged[0] - 1]):,} columns: fix it first")
    elif odd:
        sentences.append(
            f"line {odd[0]:,} holds something other than numbers: give classes numbers, and their names in `labels`"
        )
    sentences.append(
        "with one image a line, the class first: "
        f"t = np.loadtxt(PATH, dtype=np.uint8, delimiter={separator!r}, skiprows={header}); "
        "x, y = t[:, 1:].reshape(-1, HEIGHT, WIDTH), t[:, 0].astype(np.int64); "
        "then np.savez('my.npz', x_train=x[:n], y_train=y[:n], x_test=x[n:], y_test=y[n:])"
    )
    return "; ".join(sentences)


def _first_lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        start = file.read(_LONGEST)
    if b"\0" in start:
        return []
    lines = start.decode("utf-8-sig", errors="replace").splitlines()
    whole = lines[:-1] if len(start) == _LONGEST and len(lines) > 1 else lines  # the last one may be cut
    text = [line for line in whole[:_LINES] if line.strip()]
    return text if all(line.replace("\t", " ").isprintable() and "\ufffd" not in line for line in text) else []


def _separator(lines: list[str]) -> str | None:
    """The most frequent separator."""
    counts = {one: sum(line.count(one) for line in lines) for one in _SEPARATORS}
    best = max(counts, key=lambda one: counts[one])
    return best if lines and counts[best] >= len(lines) else None


def _any_number(row: list[str]) -> bool:
    return any(_NUMBER.fullmatch(cell) for cell in row)


def _numbers(row: list[str]) -> bool:
    return all(_NUMBER.fullmatch(cell) for cell in row)
