"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from loadtest.errors import ReportError

__all__ = ["write_whole"]


def write_whole(path: Path, text: str, *, other: str) -> None:
    """Write beside the goal, then rename: nobody ever reads half a file.

    Args:
        path: The goal; its folder is made where it is missing.
        text: All of it.
        other: How another goal is named, for the message.

    Raises:
        ReportError: The folder cannot be made or written, or the disk is full.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)
    except OSError as exc:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise ReportError(
            f"{path} cannot be written: {exc.strerror}; free the disk or make the folder writable, or name another "
            f"with {other}, and run again"
        ) from exc
