"""Compare a downloaded file with the checksum that is pinned for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from training.errors import DataRefused

__all__ = ["check_sha256"]


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a file of other bytes.

    Args:
        path: The file.
        expected: SHA-256 in hex, lower case.

    Raises:
        DataRefused: The file is cut short, damaged, or another one.
    """
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != expected:
        raise DataRefused(f"{path.name} ({path.stat().st_size:,} bytes): expected sha256 {expected}, got {got}")
