"""Programs are built into the user's cache, and found there: each is whole or not there at all.

<cache>/rehearsal/programs/<program>/<sources>-<go>-<machine>/bin/<executable>
                                                             /files/<path in the module>
<cache>/rehearsal/go/                   Go itself, if it came from the wheel
<cache>/rehearsal/work/                 Go's own caches, while something is being built
<cache>/rehearsal/lock                  held during a build
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from rehearsal.cluster.toolchain.catalogue import ControlPlaneProgram
from rehearsal.cluster.toolchain.go_command import GoCommand
from rehearsal.cluster.toolchain.pins import Pins
from rehearsal.cluster.toolchain.toolchain import Go, go_environment, platform_key
from rehearsal.errors import BuildFailed, ModuleUnavailable
from slipway.platform.cache import cache_folder
from slipway.platform.file_lock import FileLock

__all__ = ["Built", "Store", "build", "default_cache", "linker_flags"]

_SCRATCH = ".scratch"


def default_cache() -> Path:
    """`rehearsal/` in the cache of this user, see `slipway.platform.cache`."""
    return cache_folder() / "rehearsal"


def linker_flags(program: ControlPlaneProgram, pins: Pins) -> str:
    """Flags for Go's linker: no debug symbols, and the program's version if the build does not set it."""
    version = pins.version(program.module)
    major, minor = version.removeprefix("v").split(".")[:2]
    flags = ("-s -w", *program.ldflags)
    return " ".join(flag.format(version=version, major=major, minor=minor) for flag in flags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A built program."""

    program: ControlPlaneProgram
    folder: Path

    @property
    def files(self) -> Path:
        """Folder of its kept files, at their paths inside the module."""
        return self.folder / "files"

    def executable(self, name: str) -> Path:
        """Path of one of its executables."""
        return self.folder / "bin" / name


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The folder of this user's built programs.

    Attributes:
        cache: See the module's docstring.
    """

    cache: Path

    @property
    def work(self) -> Path:
        """Folder of Go's own caches."""
        return self.cache / "work"

    def find(self, program: ControlPlaneProgram, pins: Pins, go: Go | None) -> Built | None:
        """The program built from these sources with this Go; without `go`, with any Go."""
        home, sources = self.cache / "programs" / program.name, _sources(program, pins)
        folders = [home / _key(sources, go)] if go is not None else sorted(home.glob(f"{sources}-*-{platform_key()}"))
        for folder in folders:
            built = Built(program=program, folder=folder)
            if built.files.is_dir() and all(built.executable(name).is_file() for name in program.executables):
                return built
        return None

    @contextmanager
    def making(self, program: ControlPlaneProgram, pins: Pins, go: Go) -> Iterator[Built]:
        """A scratch folder to build into, which replaces the previous build on success."""
        home = self.cache / "programs" / program.name
        scratch, goal = home / _SCRATCH, home / _key(_sources(program, pins), go)
        shutil.rmtree(scratch, ignore_errors=True)  # of a killed build: this process holds the lock
        for folder in ("bin", "files"):
            (scratch / folder).mkdir(parents=True)
        try:
            yield Built(program=program, folder=scratch)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        shutil.rmtree(goal, ignore_errors=True)
        scratch.rename(goal)
        for older in home.iterdir():
            if older != goal:
                shutil.rmtree(older, ignore_errors=True)

    @contextmanager
    def locked(self, console: Console) -> Iterator[None]:
        """Hold the build lock; prints a message if another process holds it.

        Raises:
            OSError: The cache cannot be written.
        """
        self.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(self.cache / "lock") as lock:
            if not lock.try_acquire():
                console.print("another process is building these programs: waiting for it", highlight=False)
                lock.acquire()
            yield

    @contextmanager
    def if_unlocked(self) -> Iterator[bool]:
        """Whether no build is running; if so, none can start during the block."""
        with FileLock(self.cache / "lock") as lock:
            yield lock.try_acquire()


def _sources(program: ControlPlaneProgram, pins: Pins) -> str:
    """Hash of all inputs of a build except Go itself."""
    environment = go_environment()
    decisive = {
        "pins": pins.text,
        "executables": dict(program.executables),
        "ldflags": linker_flags(program, pins),
        "files": program.files,
        "flags": (environment["GOFLAGS"], environment["CGO_ENABLED"]),
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _key(sources: str, go: Go) -> str:
    return f"{sources}-{re.sub(r'[^a-zA-Z0-9.]+', '_', go.version)}-{platform_key()}"


def build(program: ControlPlaneProgram, pins: Pins, command: GoCommand, into: Built) -> None:
    """Build a program into a folder.

    Raises:
        ModuleUnavailable: A module cannot be downloaded, or does not match go.sum.
        BuildFailed: It does not compile, or its module lacks expected files.
        MachineTooSmall: Disk or memory ran out.
    """
    unavailable = _Unavailable(program=program, proxies=command.environment.get("GOPROXY", "Go's default"))
    if program.executables:
        # Loads every package, so all modules are downloaded here: later failures are the compiler's.
        command.run("list", "-deps", "-f", "{{.ImportPath}}", *program.executables.values(), failure=unavailable.error)
    for name, package in program.executables.items():
        command.run(
            "build",
            "-v",
            f"-ldflags={linker_flags(program, pins)}",
            "-o",
            str(into.executable(name)),
            package,
            failure=partial(_failed, program, name),
        )
    if program.files:
        described = command.run("mod", "download", "-json", program.module, failure=unavailable.error)
        _keep(program, Path(json.loads(described)["Dir"]), into.files)


def _failed(program: ControlPlaneProgram, executable: str, words: str) -> BuildFailed:
    return BuildFailed(f"{program.name}: {executable} does not build:\n{words}")


def _keep(program: ControlPlaneProgram, module: Path, goal: Path) -> None:
    for pattern in program.files:
        paths = [path for path in module.glob(pattern) if path.is_file()]
        if not paths:
            raise BuildFailed(f"{program.name}: expected files {pattern} in {program.module}, got none")
        for path in paths:
            copy = goal / path.relative_to(module)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unavailable:
    program: ControlPlaneProgram
    proxies: str

    def error(self, words: str) -> ModuleUnavailable:
        """Map Go's message about its modules to an error."""
        if "checksum mismatch" in words:
            return ModuleUnavailable(
                f"{self.program.name}: a Go module does not match go.sum; it was changed on disk or in "
                f"transit: check GOPROXY (now {self.proxies}), and run `go clean -modcache`\n{words}"
            )
        return ModuleUnavailable(
            f"{self.program.name}: cannot get its Go modules by GOPROXY {self.proxies}: check the network and its "
            f"proxies; the same command resumes the build\n{words}"
        )
