"""What the supervisor is told to bring up, and the file by which it holds its working folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rehearsal.nodes.types import Nodes

__all__ = ["LOCK", "Order"]

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
