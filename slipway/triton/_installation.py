"""Which tritonserver runs: the one that is named, else the one on PATH, else the one inside the wheel.

The wheel `nvidia-pytriton` is a tritonserver with the Python backend only. Its own Python code is never imported.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from slipway.distribution import install_hint
from slipway.triton._errors import PythonUnsupported, TritonNotFound
from slipway.triton._python import PythonRuntime, current_python, libpython_directory, require_packages

_WHEEL = "nvidia-pytriton"
_STUB = "triton_python_backend_stub"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemTriton:
    """A tritonserver that brings its own ONNX Runtime backend, such as the one of the official image.

    Attributes:
        executable: The program.
        backends: Folder of its backends; None where only the program itself knows.
    """

    executable: Path
    backends: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedTriton:
    """The tritonserver of the wheel.

    Attributes:
        executable: The program.
        python_backend: Folder of its Python backend.
        stub: The Python backend's process, built for this Python.
        library_directories: What the linker must search besides its own folders.
        bin_directory: Where the stub finds this environment's `python3`.
    """

    executable: Path
    python_backend: Path
    stub: Path
    library_directories: tuple[Path, ...]
    bin_directory: Path


def find_tritonserver(named: Path | None) -> SystemTriton | EmbeddedTriton:
    """Find the tritonserver to run.

    Args:
        named: The program to use; None searches.

    Raises:
        TritonNotFound: With the way to get one.
    """
    site = _wheel_site()
    on_path = shutil.which("tritonserver") if named is None else None
    program = named or (Path(on_path) if on_path else None)
    if program is not None and not (site and program.resolve() == _executable(site).resolve()):
        return system_triton(program)
    if site is None:
        raise TritonNotFound(
            f"there is no tritonserver here: {install_hint('serve')} brings one, "
            "`--tritonserver PATH` names another (the official image has /opt/tritonserver/bin/tritonserver)"
        )
    require_packages()
    return embedded_triton(site, current_python())


def system_triton(program: Path) -> SystemTriton:
    """Check a tritonserver that this project did not install.

    Raises:
        TritonNotFound: It is no program, or brings backends without ONNX Runtime among them.
    """
    executable = program.resolve()
    if not (executable.is_file() and os.access(executable, os.X_OK)):
        raise TritonNotFound(f"tritonserver: expected a program, {program} is none")
    backends = executable.parent.parent / "backends"
    if not backends.is_dir():
        return SystemTriton(executable=executable, backends=None)
    if not (backends / "onnxruntime").is_dir():
        available = ", ".join(sorted(path.name for path in backends.iterdir())) or "none"
        raise TritonNotFound(
            f"{executable} has no ONNX Runtime backend: expected {backends}/onnxruntime, available: {available}"
        )
    return SystemTriton(executable=executable, backends=backends)


def embedded_triton(site: Path, python: PythonRuntime) -> EmbeddedTriton:
    """Collect the wheel's parts for one Python.

    Args:
        site: The folder that the wheel was installed into.
        python: The Python that the backend will embed.

    Raises:
        TritonNotFound: The wheel is not whole.
        PythonUnsupported: It has no stub for this Python.
        LibpythonMissing: This Python has no shared library.
    """
    root = site / "pytriton" / "tritonserver"
    python_backend = root / "backends" / "python"
    for part in (_executable(site), python_backend / "triton_python_backend_utils.py"):
        if not part.is_file():
            raise TritonNotFound(f"{part} is missing: pip install --force-reinstall --no-deps {_WHEEL}")
    stub = root / "python_backend_stubs" / python.minor / _STUB
    if not stub.is_file():
        built_for = sorted((path.parent.name for path in root.glob(f"python_backend_stubs/*/{_STUB}")), key=_numbers)
        raise PythonUnsupported(
            f"tritonserver's Python backend is built for Python {', '.join(built_for) or '(none)'}, "
            f"this is {python.minor}: make the environment with one of those"
        )
    libpython = libpython_directory(python)
    return EmbeddedTriton(
        executable=_executable(site),
        python_backend=python_backend,
        stub=stub,
        library_directories=(*((libpython,) if libpython else ()), site / "nvidia_pytriton.libs"),
        bin_directory=python.bin_directory,
    )


def _wheel_site() -> Path | None:
    try:
        return Path(str(distribution(_WHEEL).locate_file("")))
    except PackageNotFoundError:
        return None


def _executable(site: Path) -> Path:
    return site / "pytriton" / "tritonserver" / "bin" / "tritonserver"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
