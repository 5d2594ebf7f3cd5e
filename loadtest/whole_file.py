"""Files that appear whole or not at all, and what a report says when they cannot."""

from __future__ import annotations

from pathlib import Path

from loadtest.errors import ReportError, ReportExists
from slipway.errors import SlipwayError
from slipway.platform import atomic_write

__all__ = ["refuse_to_overwrite", "write_whole"]


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


def write_whole(path: Path, text: str, *, other: str, error: type[SlipwayError] = ReportError) -> None:
    """Write beside the goal, then rename: nobody ever reads half a file.

    Args:
        path: The goal; its folder is made where it is missing.
        text: All of it.
        other: How another goal is named, for the message.
        error: Raised when the folder cannot be made or written, or the disk is full.
    """
    try:
        atomic_write.write_atomically(path, text)
    except OSError as exc:
        raise error(
            f"{path} cannot be written: {exc.strerror}; free the disk or make the folder writable, or name another "
            f"with {other}, and run again"
        ) from exc
