"""A start of tritonserver as a command, for who wants to run it without Slipway."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from slipway.platform.cache import cache_folder
from slipway.triton._launch import Launch, prepare
from slipway.triton._ports import name_ports

if TYPE_CHECKING:
    from slipway.triton._settings import ServerSettings

__all__ = ["prepare_to_print"]


def prepare_to_print(settings: ServerSettings) -> Launch:
    """Prepare a start that may come later: what it serves stays on disk, until the next command of the same is printed.

    Nothing is started, so a port that is in use now is named as well.

    Raises:
        ServeError: See `prepare`.
        RepositoryError: See `prepare`.
    """
    same = "\n".join([str(settings.repository.resolve()), *(settings.models or ()), settings.config_name or ""])
    folder = cache_folder() / "printed" / f"slipway-printed-{hashlib.sha256(os.fsencode(same)).hexdigest()[:12]}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    return prepare(settings, folder, ports=name_ports(settings))
