"""The distribution's name, and the command that installs one of its extras.

    install_hint("remote")       # 'pip install "slipway-serving[remote]"'

The import name and the command are `slipway`; on PyPI that name belongs to another project, so no text may name it in
an install command.
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
    """An optional dependency is not installed; names the extra that contains it."""

    exit_status = 4


def install_hint(*extras: Extra) -> str:
    """The command that installs these extras."""
    return f'pip install "{DISTRIBUTION}[{",".join(extras)}]"'


def installed_version() -> str:
    """Version of the installed distribution; `0+unknown` if the sources run without an installation."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0+unknown"
