"""Where this user's downloads, built programs and servers' folders are: one rule for all of them."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """`$SLIPWAY_CACHE`, else `$XDG_CACHE_HOME/slipway`, else `~/.cache/slipway`; absolute.

    A relative XDG_CACHE_HOME is ignored, as the XDG Base Directory Specification asks.
    """
    chosen = os.environ.get("SLIPWAY_CACHE")
    if chosen:
        return Path(chosen).absolute()
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (configured if configured.is_absolute() else Path.home() / ".cache") / "slipway"
