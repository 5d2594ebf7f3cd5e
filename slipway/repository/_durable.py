"""Files and folders that other users can read and that survive a power failure once they have their final name."""

from __future__ import annotations

import os
from pathlib import Path

from slipway.platform.atomic_write import fsync


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, readable by other users; each name is durable before it is used."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        fsync(folder.parent)


def replace_file(target: Path, staged: Path, text: str) -> bool:
    """Replace a file's text with one rename; returns whether it was necessary.

    Args:
        target: The file; its folder is created if missing.
        staged: Temporary file for the text, on the same file system.
        text: Written as UTF-8.
    """
    if not target.is_symlink() and target.is_file() and target.read_bytes() == text.encode():
        return False
    staged.parent.mkdir(parents=True, exist_ok=True)
    staged.write_text(text, encoding="utf-8")
    staged.chmod(0o644)
    fsync(staged)
    make_folder(target.parent)
    staged.replace(target)
    fsync(target.parent)
    return True


def seal_folder(folder: Path) -> None:
    """Make everything below a folder readable by other users and durable."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        fsync(path)
    os.utime(folder)  # copied folders have the modification time of their source
