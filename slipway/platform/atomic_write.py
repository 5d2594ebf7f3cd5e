"""Text files that appear whole or not at all.

write_whole(Path("values.yaml"), text)     # nobody ever reads half of it; OSError: nothing was left behind
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: Path, text: str) -> None:
    """Write beside the goal, then rename.

    Args:
        path: The goal; its folder is made where it is missing.
        text: All of it; written as UTF-8.

    Raises:
        OSError: The folder cannot be made or written, or the disk is full; what was there is as it was.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)
    except OSError:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise
