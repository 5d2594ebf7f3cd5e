"""Which tritonserver runs: the one that is named, else the one on PATH, else the one inside the wheel.

The wheel `nvidia-pytriton` is a tritonserver with the Python backend only. Its Python code is never imported.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from slipway.distribution import install_hint
from slipway.triton._errors import TritonNotFound

_WHEEL = "nvidia-pytriton"


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
    """The tritonserver of the wheel, which has no ONNX Runtime backend of its own.

    Attributes:
        site: The folder that the wheel was installed into.
    """

    site: Path

    @property
    def root(self) -> Path:
        """The folder of tritonserver's own folders."""
        return self.site / "pytriton" / "tritonserver"

    @property
    def executable(self) -> Path:
        """The program."""
        return self.root / "bin" / "tritonserver"


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
    embedded = EmbeddedTriton(site=site) if site is not None else None
    if program is not None and not (embedded and program.resolve() == embedded.executable.resolve()):
        return system_triton(program)
    if embedded is None:
        raise TritonNotFound(
            f"there is no tritonserver here: {install_hint('serve')} brings one, "
            "`--tritonserver PATH` names another (the official image has /opt/tritonserver/bin/tritonserver)"
        )
    require_part(embedded.executable)
    return embedded


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


def require_part(part: Path) -> None:
    """Refuse a wheel that is not whole.

    Raises:
        TritonNotFound: The file is missing.
    """
    if not part.is_file():
        raise TritonNotFound(f"{part} is missing: pip install --force-reinstall --no-deps {_WHEEL}")


def _wheel_site() -> Path | None:
    try:
        return Path(str(distribution(_WHEEL).locate_file("")))
    except PackageNotFoundError:
        return None
