"""The tritonserver of this machine, for whoever writes its arguments: what else starting it takes.

program = find_program()
subprocess.Popen([program.executable, *program.arguments, "--model-repository=..."], cwd=program.directory,
                 env={**os.environ, **program.environment})

The tritonserver of the wheel needs a folder of backends, made of links only:

    <folder>/python                -> the wheel's Python backend, whose library runs ours
    <folder>/onnxruntime/model.py  -> our backend
    <folder>/onnxruntime/triton_python_backend_{stub,utils.py} -> the wheel's, for this Python

Triton refuses a backend library that is itself a link out of its folder, so the Python backend is linked as a
whole; it looks for stub and utils beside our model.py first.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.platform.atomic_write import replacing
from slipway.platform.cache import cache_folder
from slipway.telemetry import quiet_environment
from slipway.triton._errors import ServeError
from slipway.triton._installation import EmbeddedTriton, find_tritonserver

if TYPE_CHECKING:
    from collections.abc import Mapping

_BACKEND = "onnxruntime"
_MODEL = Path(__file__).with_name("onnxruntime_backend") / "model.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A tritonserver that can be started here.

    Attributes:
        executable: The program.
        backends: For `--backend-directory`; None is the server's own default.
        environment: Variables that differ from this process's.
        directory: Where it must run; None is anywhere.
        gpu_metrics: Whether it can report GPU metrics; one that cannot warns about it.
        onnx_only: Whether it runs nothing but ONNX files, through our backend.
    """

    executable: Path
    backends: Path | None
    environment: Mapping[str, str]
    directory: Path | None
    gpu_metrics: bool
    onnx_only: bool = False

    @property
    def arguments(self) -> tuple[str, ...]:
        """What this tritonserver needs on its command line, whatever it serves; the last of equal flags counts."""
        return (
            *((f"--backend-directory={self.backends}",) if self.backends else ()),
            *(() if self.gpu_metrics else ("--allow-gpu-metrics=false",)),
        )


def find_program(named: Path | None = None) -> Program:
    """Find the tritonserver to run.

    Args:
        named: The program to use; None takes the one on PATH, else the one inside the wheel.

    Raises:
        ServeError: There is none, or it cannot run here.
    """
    triton = find_tritonserver(named)
    if not isinstance(triton, EmbeddedTriton):
        return Program(
            executable=triton.executable,
            backends=triton.backends,
            environment=quiet_environment(),
            directory=None,
            gpu_metrics=True,
        )
    backends = assemble_backends(triton, cache_folder() / "backends")
    return Program(
        executable=triton.executable,
        backends=backends,
        environment={
            **quiet_environment(),
            "LD_LIBRARY_PATH": _prepend(triton.library_directories, "LD_LIBRARY_PATH"),
            "PATH": _prepend((triton.bin_directory,), "PATH"),
        },
        # The stub puts its working directory first on sys.path: a model.py there would be taken for the backend.
        directory=backends / _BACKEND,
        gpu_metrics=False,
        onnx_only=True,
    )


def _prepend(directories: tuple[Path, ...], variable: str) -> str:
    inherited = os.environ.get(variable)
    return os.pathsep.join([*map(str, directories), *([inherited] if inherited else [])])


def assemble_backends(triton: EmbeddedTriton, cache: Path) -> Path:
    """Link a folder of backends together; what is there and right already stays.

    Args:
        triton: The wheel's parts.
        cache: Folder for such folders. Each is named after what it links to, so that two environments, or two
            servers that start at once, do not disturb each other.

    Returns:
        The folder, for `--backend-directory`.

    Raises:
        ServeError: The cache cannot be written.
    """
    links = {
        "python": triton.python_backend,
        f"{_BACKEND}/model.py": _MODEL,
        f"{_BACKEND}/triton_python_backend_utils.py": triton.python_backend / "triton_python_backend_utils.py",
        f"{_BACKEND}/triton_python_backend_stub": triton.stub,
    }
    folder = cache / hashlib.sha256("\n".join(map(str, links.values())).encode()).hexdigest()[:12]
    try:
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
