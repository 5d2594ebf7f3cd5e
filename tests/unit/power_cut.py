"""What a power cut would leave of a folder: only what `fsync` was asked to keep is sure to be on the disk.

A file that nobody synced may be there with its name and without its bytes; a name that nobody synced may be missing.
Both views are kept here, at the level of the system calls, whichever functions call them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


class Disk:
    """Watches the system calls of this process that make changes durable.

    Args:
        monkeypatch: Of pytest.
        root: A folder that is on the disk already.
        before_each: Called before each `fsync`, `rename` and `replace`.
    """

    def __init__(self, monkeypatch, root: Path, *, before_each: Callable[[], None] = lambda: None) -> None:
        self._files: dict[int, bytes] = {}  # by inode
        self._folders: dict[int, dict[str, tuple[int, bool]]] = {}
        self._keep(root)
        for name in ("fsync", "rename", "replace"):
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name), before_each))

    def surviving(self, folder: Path, target: Path, *, unsynced_names: bool) -> Path:
        """Copy what would be there after a power cut at this moment.

        Args:
            folder: The folder that is looked at.
            target: Where the copy goes.
            unsynced_names: Names that nobody synced survive (and their bytes do not), or they do not.
        """
        target.mkdir(parents=True)
        inode = folder.stat().st_ino
        names = _names(folder) if unsynced_names else self._folders.get(inode, {})
        for name, (child, is_folder) in names.items():
            if is_folder and (folder / name).is_dir():
                self.surviving(folder / name, target / name, unsynced_names=unsynced_names)
            elif not is_folder:
                (target / name).write_bytes(self._files.get(child, b""))
        return target

    def _watched(self, name, call, before_each):
        def watched(*args, **kwargs):
            before_each()
            if name == "fsync":
                self._keep(Path(f"/proc/self/fd/{args[0]}").readlink())
            return call(*args, **kwargs)

        return watched

    def _keep(self, path: Path) -> None:
        if path.is_dir():
            self._folders[path.stat().st_ino] = _names(path)
        else:
            self._files[path.stat().st_ino] = path.read_bytes()


def _names(folder: Path) -> dict[str, tuple[int, bool]]:
    return {path.name: (path.stat().st_ino, path.is_dir()) for path in folder.iterdir()}
