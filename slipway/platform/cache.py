"""Where this user's downloads, built programs and servers' folders are: one rule for all of them."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """`$SLIPWAY_CACHE`, else this user's cache: `$XDG_CACHE_HOME/slipway` or `~/.cache/slipway` on Linux; absolute.

    A relative XDG_CACHE_HOME is ignored, as the XDG Base Directory Specification asks.
    """
    chosen = os.environ.get("SLIPWAY_CACHE")
    return Path(chosen).absolute() if chosen else user_cache_path("slipway", appauthor=False)
