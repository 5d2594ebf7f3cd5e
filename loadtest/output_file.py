"""Command and master: the files that are written: whole or not at all, never over another unasked; and the errors."""

from __future__ import annotations

from pathlib import Path

from loadtest.errors import ReportError, ReportExists
from slipway.errors import SlipwayError
from slipway.platform.atomic_write import write_atomically

__all__ = ["refuse_to_overwrite", "write_output"]


def refuse_to_overwrite(path: Path, *, other: str, force: bool) -> None:
    """Check before a long run that its output file does not exist.

    Args:
        path: The output file.
        other: The option that sets another file, for the message.
        force: Allow to overwrite.

    Raises:
        ReportExists: It exists.
    """
    if path.exists() and not force:
        raise ReportExists(f"{path} exists already: overwrite it with --force, or choose another with {other}")


def write_output(path: Path, text: str, *, other: str, error: type[SlipwayError] = ReportError) -> None:
    """Write to a temporary file, then rename: a reader never sees half a file.

    Args:
        path: The output file; its folder is created if missing.
        text: Its contents.
        other: The option that sets another file, for the message.
        error: Raised if the folder cannot be created or written, or the disk is full.
    """
    try:
        write_atomically(path, text)
    except OSError as exc:
        raise error(
            f"{path} cannot be written: {exc.strerror}; free some space or make the folder writable, or choose another "
            f"with {other}, and run again"
        ) from exc
