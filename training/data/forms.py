"""Data in another form than an npz: a folder of pictures, the IDX files of MNIST. What it is, and how to turn it round.

form_hint(path)     # 'this is an IDX file, 60000 x 28 x 28: np.frombuffer(...)'
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

__all__ = ["form_hint"]

_GZIP = b"\x1f\x8b"
_IDX_UINT8 = b"\0\0\x08"


def form_hint(path: Path) -> str:
    """Describe the form and give the commands that make arrays of it; empty unless it is one of these.

    Raises:
        OSError: The file cannot be read.
    """
    if path.is_dir():
        return (
            "expected a file, got a folder. With one for each class below it: "
            "labels = sorted(p.name for p in Path(FOLDER).iterdir()); "
            "files = [(i, f) for i, n in enumerate(labels) for f in sorted((Path(FOLDER) / n).iterdir())]; "
            "x = np.stack([np.asarray(Image.open(f).convert('L').resize((WIDTH, HEIGHT))) for _, f in files]); "
            "y = np.array([i for i, _ in files]); then shuffle both alike, set test images aside, and np.savez them "
            "with labels=np.array(labels)"
        )
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
    """The sizes in the head of an IDX file; empty if it is none."""
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
