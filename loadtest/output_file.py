"""Command and master: the files that are written: whole or not at all, never over another unasked; and the errors."""

from __future__ import annotations

from pathlib import Path

from loadtest.errors import ReportError, ReportExists
from slipway.errors import SlipwayError
from slipway.platform.atomic_write import write_atomically

__all__ = ["refuse_to_overwrite", "write_output"]


def refuse_to_overwrite(path: Path, *, other: str, force: bool) -> None:
    """See before a long run that its file would replace no other.

    Args:
        path: The goal.
        other: How another goal is named, for the message.
        force: It may.

    Raises:
        ReportExists: It would.
    """
    if path.exists() and not force:
        raise ReportExists(f"{path} is there already: overwrite it with --force, or name another with {other}")


def write_output(path: Path, text: str, *, other: str, error: type[SlipwayError] = ReportError) -> None:
    """Write beside the goal, then rename: nobody ever reads half a file.

    Args:
        path: The goal; its folder is made where it is missing.
        text: All of it.
        other: How another goal is named, for the message.
        error: Raised when the folder cannot be made or written, or the disk is full.
    """
    try:
        write_atomically(path, text)
    except OSError as exc:
        raise error(
            f"{path} cannot be written: {exc.strerror}; free the disk or make the folder writable, or name another "
            f"with {other}, and run again"
        ) from exc
