"""Whether what is to come fits on this disk, asked before the first byte of it is written."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from slipway.repository._errors import PublishFailed


def refuse_without_room(root: Path, coming_bytes: Mapping[str, int], source: str) -> int:
    """Compare what is to come with the free space of the file system that it goes to.

    Args:
        root: Where it goes; need not be there yet.
        coming_bytes: Bytes by model.
        source: Where it comes from, for the message.

    Returns:
        Free bytes there.

    Raises:
        PublishFailed: It is more than is free.
        OSError: The file system does not say.
    """
    nearest = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.is_dir())
    free, total = shutil.disk_usage(nearest).free, sum(coming_bytes.values())
    if total > free:
        largest = sorted(coming_bytes, key=lambda model: -coming_bytes[model])[:3]
        named = ", ".join(f"{model} {_shown(coming_bytes[model])}" for model in largest)
        raise PublishFailed(
            f"{source}: {_shown(total)} would come to {root} ({named}), expected at most the {_shown(free)} that are "
            "free there. Nothing was copied: free some space, name one model, or pull the numbers alone, without --all"
        )
    return free


def _shown(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:,.1f} GB" if size_bytes >= 10**9 else f"{size_bytes / 1e6:,.1f} MB"
