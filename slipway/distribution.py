"""What this project is called where packages are installed from, and how to install a part of it.

    install_hint("remote")       # 'pip install "slipway-serving[remote]"'

The import name and the command are `slipway`; on PyPI that name belongs to another project, so no text of ours may
tell anybody to install it.
"""

from __future__ import annotations

from importlib import metadata
from typing import Literal, TypeAlias

from slipway.errors import SlipwayError

__all__ = ["DISTRIBUTION", "Extra", "NotInstalled", "install_hint", "installed_version"]

DISTRIBUTION = "slipway-serving"
"""`project.name` in pyproject.toml."""

Extra: TypeAlias = Literal["deploy", "loadtest", "native", "rehearsal", "remote", "serve", "serve-gpu", "training"]


class NotInstalled(SlipwayError):
    """A part of Slipway is wanted whose packages are not installed; says which extra brings them."""

    exit_status = 4


def install_hint(*extras: Extra) -> str:
    """The command that installs these parts."""
    return f'pip install "{DISTRIBUTION}[{",".join(extras)}]"'


def installed_version() -> str:
    """Version of what is installed; `0+unknown` where the sources run without having been installed."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0+unknown"
