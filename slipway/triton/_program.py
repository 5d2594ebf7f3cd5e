"""The tritonserver of this machine, for whoever writes its arguments: what else starting it takes.

program = find_program()
subprocess.Popen([program.executable, *program.arguments, "--model-repository=..."], cwd=program.directory,
                 env={**os.environ, **program.environment})
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.platform.cache import cache_folder
from slipway.telemetry import quiet_environment
from slipway.triton._backends import BACKEND, assemble_backends
from slipway.triton._installation import EmbeddedTriton, find_tritonserver

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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
        directory=backends / BACKEND,
        gpu_metrics=False,
        onnx_only=True,
    )


def _prepend(directories: tuple[Path, ...], variable: str) -> str:
    inherited = os.environ.get(variable)
    return os.pathsep.join([*map(str, directories), *([inherited] if inherited else [])])
