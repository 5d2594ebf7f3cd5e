"""An environment for each peer, installed once from its hashed lock into the cache; the project's own is left alone.

    python = prepared("ray")        # the environment's interpreter: a lock that changed makes another one

Locks are made by `make lock`. An installation that was interrupted has no stamp, and is done again from the start.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.platform.cache import cache_folder
from slipway.platform.file_lock import FileLock

__all__ = ["EnvironmentUnavailable", "is_prepared", "locked_version", "prepared"]

_LOCKS = Path(__file__).with_name("locks")
_UV = Path(sys.executable).with_name("uv")
_INSTALL_TIMEOUT_S = 1200


class EnvironmentUnavailable(SlipwayError):
    """A peer's environment cannot be installed."""


def is_prepared(peer: str) -> bool:
    """Whether nothing needs to be installed for this peer."""
    return _stamp(_folder(peer)).exists()


def prepared(peer: str) -> Path:
    """Install the peer's lock where that has not been done; return the Python that has it.

    Raises:
        EnvironmentUnavailable: uv failed; the text holds the end of what it said.
    """
    folder = _folder(peer)
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")) as lock:
        lock.acquire()
        if not _stamp(folder).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _uv(peer, "venv", "--quiet", "--python", sys.executable, str(folder))
            _uv(peer, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", str(_lock(peer)))
            _stamp(folder).touch()
    return python


def locked_version(peer: str) -> str:
    """Of the package that the environment is for."""
    found = re.search(rf"^{peer}==(\S+)", _lock(peer).read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "unknown"


def _folder(peer: str) -> Path:
    digest = hashlib.sha256(_lock(peer).read_bytes()).hexdigest()[:12]
    return cache_folder() / "peers" / f"{peer}-python{sys.version_info.major}.{sys.version_info.minor}-{digest}"


def _lock(peer: str) -> Path:
    return _LOCKS / f"{peer}.txt"


def _stamp(folder: Path) -> Path:
    return folder / ".ready"


def _uv(peer: str, *arguments: str) -> None:
    try:
        done = subprocess.run(
            [str(_UV), *arguments], capture_output=True, text=True, check=False, timeout=_INSTALL_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise EnvironmentUnavailable(f"the environment of {peer} is not installed: {exc}; try again") from exc
    if done.returncode:
        raise EnvironmentUnavailable(
            f"the environment of {peer} is not installed: uv ended with {done.returncode}: {done.stderr[-600:].strip()}"
        )
