"""A C compiler of this machine: what CC names, else one on PATH, else the one inside the wheel `ziglang`."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slipway.platform.processes import ChildProcess, signal_name
from slipway.printable import printable
from slipway.triton._errors import NativeUnavailable

__all__ = ["Compiler", "CompilerFailed", "compile_library", "find_compilers"]

_ON_PATH = ("cc", "gcc", "clang")
_OLDEST_GLIBC = "2.17"  # what ziglang links to; the tritonserver of the wheel needs a newer one
_FLAGS = ("-std=c11", "-O2", "-s", "-fPIC", "-shared", "-fvisibility=hidden")  # -s: no path of this build in it
_LIBRARIES = ("-ldl", "-lpthread")
_TIMEOUT_S = 300.0  # ziglang takes seconds on an idle machine
_ERROR = re.compile(r"\berror:")
_LAST_WORDS = re.compile(r"^collect2:|linker command failed")  # they only say that the linker has said why
_ELF_HEADER_BYTES = 20
_MAGIC, _CLASS, _MACHINE = slice(0, 4), 4, slice(18, 20)  # elf(5)


class CompilerFailed(Exception):
    """A compiler made no library; the text is its first error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """A C compiler.

    Attributes:
        command: The program, as an absolute path, and arguments that it always gets.
        identity: Another text for another compiler, and for another version of this one.
    """

    command: tuple[str, ...]
    identity: str


def find_compilers() -> Iterator[Compiler]:
    """Those that may work, the first choice first; only one where CC names it.

    Raises:
        NativeUnavailable: CC names no program.
    """
    named = os.environ.get("CC", "")
    if named:
        yield _named(named)
        return
    seen = set()
    for name in _ON_PATH:
        program = shutil.which(name)
        if program and (compiler := _compiler((program,))).identity not in seen:
            seen.add(compiler.identity)
            yield compiler
    wheel = importlib.util.find_spec("ziglang")
    for folder in wheel.submodule_search_locations or () if wheel is not None else ():
        if (zig := Path(folder, "zig")).is_file():
            yield _compiler((str(zig), "cc", "-target", f"{platform.machine()}-linux-gnu.{_OLDEST_GLIBC}"))


def _named(words: str) -> Compiler:
    try:
        command = shlex.split(words)
    except ValueError:
        command = []
    program = shutil.which(command[0]) if command else None
    if program is None:
        raise NativeUnavailable(f"CC: expected a C compiler, got {printable(words)!r}, which is no program")
    return _compiler((str(Path(program).absolute()), *command[1:]))


def _compiler(command: tuple[str, ...]) -> Compiler:
    """Its file, not its `--version`: every start asks, and a process costs more than the rest of the answer."""
    program = Path(command[0]).resolve()
    state = program.stat()
    return Compiler(
        command=command, identity="\n".join([str(program), f"{state.st_size} {state.st_mtime_ns}", *command[1:]])
    )


def compile_library(compiler: Compiler, sources: tuple[Path, ...], library: Path, *, scratch: Path) -> None:
    """Compile C files into one shared library.

    Args:
        compiler: It ends with this process.
        sources: C files.
        library: Path of the library.
        scratch: A folder for what the compiler writes besides.

    Raises:
        CompilerFailed: It failed, did not end, or wrote no library that this machine can load.
        OSError: It cannot be started, or the folder cannot be written.
    """
    log = scratch / "compiler.log"
    words = (*compiler.command, *_FLAGS, "-o", str(library), *map(str, sources), *_LIBRARIES)
    process = ChildProcess(
        words,
        output=log,
        environment={
            **os.environ,
            "LC_ALL": "C",
            "TMPDIR": str(scratch),
            "ZIG_GLOBAL_CACHE_DIR": str(scratch / "zig"),
            "ZIG_LOCAL_CACHE_DIR": str(scratch / "zig"),
        },
        directory=scratch,
    )
    try:
        exit_code = process.wait(_TIMEOUT_S)
    finally:
        process.kill()
    name = compiler.command[0]
    if exit_code is None:
        raise CompilerFailed(f"{name} did not end within {_TIMEOUT_S:g} s")
    if exit_code != 0:
        ended = f"was killed by {signal_name(-exit_code)}" if exit_code < 0 else f"ended with code {exit_code}"
        said = _first_error(log.read_text(encoding="utf-8", errors="replace"))
        raise CompilerFailed(f"{name} {ended}: {said}")
    if not _is_library_for_this_machine(library):
        raise CompilerFailed(f"{name} wrote no shared library for {platform.machine()}")


def _first_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _LAST_WORDS.search(line)]
    if not lines:
        return "it gave no reason"
    return printable(next((line for line in lines if _ERROR.search(line)), lines[0]))


def _is_library_for_this_machine(library: Path) -> bool:
    try:
        with library.open("rb") as file, Path("/proc/self/exe").open("rb") as ours:
            header, own = file.read(_ELF_HEADER_BYTES), ours.read(_ELF_HEADER_BYTES)
    except FileNotFoundError:
        return False
    return all(header[part] == own[part] for part in (_MAGIC, slice(_CLASS, _CLASS + 2), _MACHINE))
