"""What tritonserver's Python backend needs of the Python that runs here.

The backend starts one `triton_python_backend_stub` per model instance: a program that was built for one Python
minor, loads that Python's shared library, and finds the packages of the environment whose `python3` is first on
PATH (it runs isolated, so neither PYTHONHOME nor PYTHONPATH reach it).
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from slipway.distribution import install_hint
from slipway.triton._errors import LibpythonMissing, TritonNotFound

_PACKAGES = ("numpy", "onnxruntime")


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


def libpython_directory(python: PythonRuntime) -> Path | None:
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
