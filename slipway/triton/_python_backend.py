"""The Python backend of the wheel's tritonserver, ours on top of it, and what it needs of the Python that runs here.

It starts one `triton_python_backend_stub` per model instance: a program that was built for one Python
minor, loads that Python's shared library, and finds the packages of the environment whose `python3` is first on
PATH (it runs isolated, so neither PYTHONHOME nor PYTHONPATH reach it). tritonserver is given a folder of links:

    <folder>/python                -> the wheel's Python backend, whose library runs ours
    <folder>/onnxruntime/model.py  -> our backend
    <folder>/onnxruntime/triton_python_backend_{stub,utils.py} -> the wheel's, for this Python

Triton refuses a backend library that is itself a link out of its folder, so the Python backend is linked as a
whole; it looks for stub and utils beside our model.py first.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import importlib.util
import sys
import sysconfig
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from slipway.distribution import install_hint
from slipway.platform.atomic_write import replacing
from slipway.triton._errors import LibpythonMissing, PythonUnsupported, ServeError, TritonNotFound
from slipway.triton._installation import EmbeddedTriton, require_part
from slipway.triton._own_cache import make_own, require_own

__all__ = [
    "PythonBackend",
    "PythonRuntime",
    "assemble_backends",
    "current_python",
    "python_backend",
    "require_packages",
]

_PACKAGES = ("numpy", "onnxruntime")
_BACKEND = "onnxruntime"
_MODEL = Path(__file__).with_name("onnxruntime_backend") / "model.py"
_STUB = "triton_python_backend_stub"
_UTILS = "triton_python_backend_utils.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonRuntime:
    """A Python as the stub sees it.

    Attributes:
        minor: Such as "3.11".
        bin_directory: Holds the environment's `python3`.
        library_directories: Where a shared libpython may be, besides where the linker looks anyway.
    """

    minor: str
    bin_directory: Path
    library_directories: tuple[Path, ...]

    @property
    def library(self) -> str:
        """File name of the shared library."""
        return f"libpython{self.minor}.so.1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonBackend:
    """The wheel's parts for one Python.

    Attributes:
        folder: Its Python backend.
        stub: The Python backend's process, built for this Python.
        library_directories: What the linker must search besides its own folders.
        bin_directory: Where the stub finds this environment's `python3`.
    """

    folder: Path
    stub: Path
    library_directories: tuple[Path, ...]
    bin_directory: Path


def current_python() -> PythonRuntime:
    """The Python that runs this, in its environment."""
    configured = sysconfig.get_config_var("LIBDIR")
    candidates = [*([Path(configured)] if configured else []), Path(sys.base_prefix, "lib")]
    return PythonRuntime(
        minor=f"{sys.version_info.major}.{sys.version_info.minor}",
        bin_directory=Path(sys.executable).parent,
        library_directories=tuple(dict.fromkeys(candidates)),
    )


def require_packages() -> None:
    """Refuse an environment that cannot run our backend.

    Raises:
        TritonNotFound: A package is missing; names the extra that brings it.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise TritonNotFound(f"{' and '.join(missing)} missing in {sys.prefix}: {install_hint('serve')}")


def python_backend(triton: EmbeddedTriton, python: PythonRuntime) -> PythonBackend:
    """Collect the wheel's parts for one Python.

    Args:
        triton: The wheel's tritonserver.
        python: The Python that the backend will embed.

    Raises:
        TritonNotFound: The wheel is not whole.
        PythonUnsupported: It has no stub for this Python.
        LibpythonMissing: This Python has no shared library.
    """
    folder = triton.root / "backends" / "python"
    require_part(folder / _UTILS)
    stub = triton.root / "python_backend_stubs" / python.minor / _STUB
    if not stub.is_file():
        minors = (path.parent.name for path in triton.root.glob(f"python_backend_stubs/*/{_STUB}"))
        built_for = sorted(minors, key=lambda minor: [int(part) for part in minor.split(".")])
        raise PythonUnsupported(
            f"tritonserver's Python backend is built for Python {', '.join(built_for) or '(none)'}, "
            f"this is {python.minor}: make the environment with one of those"
        )
    libpython = _libpython_directory(python)
    return PythonBackend(
        folder=folder,
        stub=stub,
        library_directories=(*((libpython,) if libpython else ()), triton.site / "nvidia_pytriton.libs"),
        bin_directory=python.bin_directory,
    )


def assemble_backends(backend: PythonBackend, cache: Path) -> Path:
    """Link a folder of backends together; what is there and right already stays.

    Args:
        backend: The wheel's parts.
        cache: Folder for such folders. Each is named after what it links to, so that two environments, or two
            servers that start at once, do not disturb each other.

    Returns:
        The folder, for `--backend-directory`; our backend must run in its `onnxruntime/`.

    Raises:
        ServeError: The cache cannot be written, or others can.
    """
    links = {
        "python": backend.folder,
        f"{_BACKEND}/model.py": _MODEL,
        f"{_BACKEND}/{_UTILS}": backend.folder / _UTILS,
        f"{_BACKEND}/{_STUB}": backend.stub,
    }
    folder = cache / hashlib.sha256("\n".join(map(str, links.values())).encode()).hexdigest()[:12]
    try:
        make_own(folder / _BACKEND)
        require_own(cache.parent, cache, folder, folder / _BACKEND)
        for name, target in links.items():
            _link(folder / name, target)
    except OSError as exc:
        raise ServeError(
            f"cannot link the backends in {folder}: {exc.strerror}; name a writable folder in SLIPWAY_CACHE"
        ) from exc
    return folder


def _link(path: Path, target: Path) -> None:
    with suppress(OSError):
        if path.readlink() == target:
            return
    with replacing(path) as scratch:  # one step: no server ever sees the link missing
        scratch.symlink_to(target)


def _libpython_directory(python: PythonRuntime) -> Path | None:
    """Folder of Python's shared library; None where the linker finds it by itself.

    Raises:
        LibpythonMissing: This Python was built without one; says how to get one.
    """
    for directory in python.library_directories:
        if (directory / python.library).is_file():
            return directory
    if ctypes.util.find_library(f"python{python.minor}"):
        return None
    minor = python.minor
    raise LibpythonMissing(
        f"Python {minor} has no shared library {python.library}, which tritonserver's Python backend loads. "
        f"Get one and make the environment again: `apt install libpython{minor}` (Debian, Ubuntu), "
        f"`dnf install python{minor}-libs` (Fedora), `uv python install {minor}`, "
        f"or `PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install {minor}`"
    )
