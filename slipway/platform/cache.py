"""The user's cache folder for downloads, built programs and servers' folders."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """`$SLIPWAY_CACHE`, or the user's cache: `$XDG_CACHE_HOME/slipway` or `~/.cache/slipway` on Linux; absolute.

    A relative XDG_CACHE_HOME is ignored, as required by the XDG Base Directory Specification.
    """
    chosen = os.environ.get("SLIPWAY_CACHE")
    return Path(chosen).absolute() if chosen else user_cache_path("slipway", appauthor=False)
