"""What the supervisor is told to bring up, and the file by which it holds its working folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rehearsal.errors import ClusterExists
from rehearsal.nodes.types import Nodes

__all__ = ["LOCK", "Order", "locked"]

LOCK = "lock"
"""In the working folder; held by the supervisor as long as it lives."""


class Order(BaseModel):
    """What somebody wants to have up.

    Attributes:
        folder: The working folder, absolute; everything in it goes when the cluster goes.
        executables: Path by program.
        module_files: Folder by Go module.
        nodes: The machines it can have.
    """

    model_config = ConfigDict(frozen=True)

    folder: Path
    executables: dict[str, Path]
    module_files: dict[str, Path]
    nodes: Nodes


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a working folder.

    Raises:
        ClusterExists: Another supervisor holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise ClusterExists(
                f"a cluster is up in {folder}: `slipway cluster status` shows it, `slipway cluster down` ends it, "
                "--folder starts another beside it"
            ) from exc
        yield
