"""Build one program: have its modules, compile and link, keep files of its module."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rehearsal.cluster.toolchain.catalogue import ControlPlaneProgram
from rehearsal.cluster.toolchain.go_command import GoCommand
from rehearsal.cluster.toolchain.pins import Pins
from rehearsal.cluster.toolchain.store import Built, linker_flags
from rehearsal.errors import BuildFailed, ModuleUnavailable

__all__ = ["build"]


def build(program: ControlPlaneProgram, pins: Pins, command: GoCommand, into: Built) -> None:
    """Fill a folder with a program.

    Raises:
        ModuleUnavailable: A module cannot be had, or is not the one that go.sum says.
        BuildFailed: It does not compile, or its module has other files than it should.
        MachineTooSmall: Disk or memory ran out.
    """
    unavailable = _Unavailable(program=program, proxies=command.environment.get("GOPROXY", "Go's default"))
    if program.executables:
        # Loads every package, so downloads every module that is needed: what fails from here on is the compiler.
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
        """Of what Go said about its modules."""
        if "checksum mismatch" in words:
            return ModuleUnavailable(
                f"{self.program.name}: a Go module is not the one that go.sum pins; it was changed, here or on "
                f"its way: look at GOPROXY (now {self.proxies}) and `go clean -modcache`\n{words}"
            )
        return ModuleUnavailable(
            f"{self.program.name}: cannot get its Go modules by GOPROXY {self.proxies}: check the network and its "
            f"proxies; the same command goes on where this one stopped\n{words}"
        )
