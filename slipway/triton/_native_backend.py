"""The native backend: C sources of this package, compiled once for this machine and kept in the cache.

    <cache>/native/<key>/onnxruntime/libtriton_onnxruntime.so
    <cache>/native/<key>/sha256                                  its digest, in the form of sha256sum

The key is a digest of the sources, the compiler and the machine. A folder appears whole, in one rename, after it is
on the disk; a library that its digest does not fit, or that others can write, is compiled again. An image may hold
such a folder in `onnxruntime_backend/prebuilt/`, whose key has no compiler in it: `python -m slipway.triton.prebuild`
makes it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from slipway.distribution import install_hint
from slipway.platform.atomic_write import fsync
from slipway.platform.file_lock import FileLock
from slipway.triton._compiler import Compiler, CompilerFailed, compile_library, find_compilers
from slipway.triton._errors import NativeUnavailable
from slipway.triton._own_cache import SCRATCH, is_own, make_own, remove_old_scratch, require_own

__all__ = ["ONNXRUNTIME_VARIABLE", "PREBUILT", "native_backends", "onnxruntime_library", "prebuild"]

ONNXRUNTIME_VARIABLE = "SLIPWAY_ONNXRUNTIME_LIBRARY"
"""Names ONNX Runtime's library to the backend, which loads it when it starts."""
_PACKAGE = Path(__file__).with_name("onnxruntime_backend")
PREBUILT = _PACKAGE / "prebuilt"
_LIBRARY = Path("onnxruntime", "libtriton_onnxruntime.so")  # where Triton looks for a backend of that name
_DIGEST = "sha256"
_API = re.compile(r"^#define ORT_API_VERSION (\d+)", re.MULTILINE)
_OTHERS_BUILD_S = 330.0  # longer than a compiler may take
_POLL_S = 0.05


def native_backends(cache: Path) -> Path:
    """The folder for `--backend-directory`; compiles the backend if that was not done before.

    Args:
        cache: Folder for such folders.

    Raises:
        NativeUnavailable: It cannot be compiled, or not be kept; says the way out.
        CacheUnsafe: Another user can write the cache.
    """
    sources = _described_sources()
    prebuilt = PREBUILT / _key(sources, None)
    if _is_whole(prebuilt):
        return prebuilt
    require_own(cache.parent, cache)
    failures = []
    for compiler in find_compilers():
        folder = cache / _key(sources, compiler)
        try:
            _build_once(compiler, folder)
        except CompilerFailed as exc:
            failures.append(str(exc))
        except OSError as exc:
            raise NativeUnavailable(
                f"the native backend cannot be kept in {cache}: {exc.strerror}; name a writable folder in SLIPWAY_CACHE"
            ) from exc
        else:
            _require_executable(folder)
            return folder
    remedy = f"`{install_hint('native')}` brings a compiler"
    if failures:
        raise NativeUnavailable(f"the native backend cannot be compiled: {failures[0]}; CC names another, {remedy}")
    raise NativeUnavailable(f"the native backend is compiled once, and there is no cc, gcc or clang on PATH: {remedy}")


def prebuild(parent: Path) -> Path:
    """Compile the backend into a folder of its own that needs no compiler to be found, for an image.

    Args:
        parent: Parent of that folder.

    Raises:
        NativeUnavailable: There is no compiler.
        CompilerFailed: The first of them failed.
        OSError: The folder cannot be written.
    """
    folder = parent / _key(_described_sources(), None)
    parent.mkdir(parents=True, exist_ok=True)
    for compiler in find_compilers():
        _build(compiler, folder)
        return folder
    raise NativeUnavailable("expected a C compiler: CC, or cc, gcc or clang on PATH")


def onnxruntime_library() -> Path:
    """ONNX Runtime's library: what the variable names, else the one inside the installed wheel.

    Raises:
        NativeUnavailable: There is none, or it is older than the sources ask for; says where it was looked for.
    """
    named = os.environ.get(ONNXRUNTIME_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise NativeUnavailable(f"{ONNXRUNTIME_VARIABLE}: expected ONNX Runtime's library, {named} is no file")
        return Path(named).absolute()
    found = importlib.util.find_spec("onnxruntime")
    folders = [Path(place, "capi") for place in (found.submodule_search_locations or () if found is not None else ())]
    libraries = {_version(path): path for folder in folders for path in folder.glob("libonnxruntime.so.[0-9]*")}
    newest = max(libraries, default=())
    least = _least_onnxruntime()
    if newest < least:
        places = " or ".join(map(str, folders)) or "a package onnxruntime"
        raise NativeUnavailable(
            f"the native backend needs libonnxruntime.so of onnxruntime {'.'.join(map(str, least))} or later, expected "
            f"in {places}, got {libraries[newest].name if newest else 'none'}: pip install --upgrade onnxruntime"
        )
    return libraries[newest]


def _version(library: Path) -> tuple[int, ...]:
    return tuple(int(word) for word in library.name.split(".") if word.isdigit())


def _least_onnxruntime() -> tuple[int, int]:
    """The release that brought the interface which the sources declare."""
    for header in _sources("onnxruntime_api.h"):
        if found := _API.search(header.read_text(encoding="utf-8")):
            return (1, int(found[1]))
    return (1, 0)


def _key(sources: str, compiler: Compiler | None) -> str:
    """Other sources, which declare the versions of both interfaces, another compiler or machine: another key."""
    machine = [platform.machine()]
    if compiler is not None:
        machine += [os.confstr("CS_GNU_LIBC_VERSION") or "", compiler.identity]
    return hashlib.sha256((sources + "\n".join(machine)).encode()).hexdigest()[:16]


def _described_sources() -> str:
    """The name and digest of each file."""
    return "".join(f"{path.name}\n{_sha256(path)}\n" for path in _sources("*.[ch]"))


def _sources(pattern: str) -> tuple[Path, ...]:
    found = tuple(sorted((_PACKAGE / "native").glob(pattern)))
    if not found:
        raise NativeUnavailable(f"{_PACKAGE / 'native'} has no C sources: install Slipway again")
    return found


def _build_once(compiler: Compiler, folder: Path) -> None:
    if _is_own_and_whole(folder):
        return
    make_own(folder.parent)
    with _one_at_a_time(folder.parent):
        if not _is_own_and_whole(folder):  # or another process has built it meanwhile
            remove_old_scratch(folder.parent)
            _build(compiler, folder)


def _build(compiler: Compiler, folder: Path) -> None:
    scratch = folder.with_name(f"{SCRATCH}{secrets.token_hex(6)}")
    try:
        library = scratch / "whole" / _LIBRARY
        library.parent.mkdir(parents=True)
        compile_library(compiler, _sources("*.c"), library, scratch=scratch)
        for path in (library.parent, scratch / "whole"):
            path.chmod(path.stat().st_mode & 0o755)  # a umask of 002 lets the group write
        library.chmod(0o755)
        (scratch / "whole" / _DIGEST).write_text(f"{_sha256(library)}  {_LIBRARY}\n", encoding="ascii")
        for path in (library, library.parent, scratch / "whole" / _DIGEST, scratch / "whole"):
            fsync(path)
        if folder.exists():  # it is damaged
            folder.rename(scratch / "damaged")
        try:
            (scratch / "whole").rename(folder)
        except OSError:
            if not _is_whole(folder):  # or another process was faster, on a file system without locks
                raise
        fsync(folder.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _is_own_and_whole(folder: Path) -> bool:
    """Others, or their group, may have been able to write a folder of an earlier release."""
    return all(map(is_own, (folder, (folder / _LIBRARY).parent, folder / _LIBRARY))) and _is_whole(folder)


def _is_whole(folder: Path) -> bool:
    try:
        expected = (folder / _DIGEST).read_text(encoding="ascii", errors="replace").split(" ")[0]
        return expected == _sha256(folder / _LIBRARY)
    except OSError:
        return False


def _require_executable(folder: Path) -> None:
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        raise NativeUnavailable(
            f"the native backend in {folder} cannot be loaded: its file system is mounted noexec; "
            "set SLIPWAY_CACHE to another folder"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _one_at_a_time(parent: Path) -> Iterator[None]:
    """Wait while another process builds, with a time-out, since building twice is harmless."""
    with FileLock(parent / "lock") as lock:
        deadline = time.monotonic() + _OTHERS_BUILD_S
        with suppress(OSError):  # a file system without locks
            while not lock.try_acquire() and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        yield
