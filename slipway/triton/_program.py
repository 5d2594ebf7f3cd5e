"""The tritonserver of this machine: its executable, environment and additional arguments.

program = find_program()
subprocess.Popen([program.executable, *program.arguments, "--model-repository=..."], cwd=program.directory,
                 env={**os.environ, **program.environment})

The tritonserver of the wheel has no ONNX Runtime backend, so it gets one of ours: the native one, compiled on first
use, or if that is unavailable the Python one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.platform.cache import cache_folder
from slipway.platform.processes import prepended
from slipway.telemetry import quiet_environment
from slipway.triton._errors import NativeUnavailable, SettingsInvalid, TritonNotFound
from slipway.triton._gpu import Gpu, find_gpu, find_gpu_names
from slipway.triton._installation import EmbeddedTriton, find_tritonserver
from slipway.triton._native_backend import (
    ONNXRUNTIME_VARIABLE,
    native_backends,
    onnxruntime_library,
)
from slipway.triton._python_backend import assemble_backends, current_python, python_backend, require_packages
from slipway.triton._settings import BACKENDS, Backend

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = "SLIPWAY_BACKEND"
_SLOW = "the Python backend runs the models, slower than the native one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A tritonserver that can be started here.

    Attributes:
        executable: The program.
        backends: For `--backend-directory`; None is the server's own default.
        environment: Variables that differ from this process's.
        directory: Required working directory; None for any.
        gpu_metrics: Whether it can report GPU metrics; one that cannot warns about it.
        onnx_only: Whether it runs nothing but ONNX files, through our backend.
        backend: Which of our backends runs them; None is the server's own.
        fallback: Why it is not the native one, although it was not deselected; empty otherwise.
        gpu: What our backend runs on beside the CPU; None is nothing else.
    """

    executable: Path
    backends: Path | None
    environment: Mapping[str, str]
    directory: Path | None
    gpu_metrics: bool
    onnx_only: bool = False
    backend: Backend | None = None
    fallback: str = ""
    gpu: Gpu | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """What this tritonserver needs on its command line, whatever it serves; the last of equal flags counts."""
        return (
            *((f"--backend-directory={self.backends}",) if self.backends else ()),
            *(() if self.gpu_metrics else ("--allow-gpu-metrics=false",)),
        )


def find_program(
    named: Path | None = None, *, backend: Backend | None = None, gpu: bool = False, tensorrt: bool = False
) -> Program:
    """Find the tritonserver to run.

    Args:
        named: The program to use; None takes the one on PATH, else the one inside the wheel.
        backend: Which of our backends the one inside the wheel gets; None is what SLIPWAY_BACKEND says, else the
            native one if it is available, else the Python one.
        gpu: It must be able to run models on a GPU.
        tensorrt: And on TensorRT.

    Raises:
        ServeError: There is none, or it cannot run here.
    """
    triton = find_tritonserver(named)
    if isinstance(triton, EmbeddedTriton):
        chosen = backend or _of_environment()
        return _with_gpu(triton, chosen, tensorrt=tensorrt) if gpu else _with_backend(triton, chosen)
    if backend is not None:
        raise SettingsInvalid(
            f"backend: {backend!r} is one for the tritonserver that comes with Slipway, {triton.executable} brings its "
            "own; name none"
        )
    if tensorrt:
        raise SettingsInvalid(
            f"tensorrt: for the tritonserver that comes with Slipway; {triton.executable} takes it from the model's "
            "configuration, optimization { execution_accelerators }"
        )
    if gpu:
        find_gpu_names()  # or it says why there is none
    return Program(
        executable=triton.executable,
        backends=triton.backends,
        environment=quiet_environment(),
        directory=None,
        gpu_metrics=True,
    )


def _of_environment() -> Backend | None:
    value = os.environ.get(_VARIABLE, "")
    for backend in BACKENDS:
        if value == backend:
            return backend
    if value:
        raise SettingsInvalid(f"{_VARIABLE}: expected {' or '.join(BACKENDS)}, got {value!r}")
    return None


def _with_backend(triton: EmbeddedTriton, backend: Backend | None) -> Program:
    if backend == "python":
        return _with_python(triton)
    try:
        return _with_native(triton)
    except NativeUnavailable as exc:
        if backend == "native":
            raise
        reason = str(exc)
    try:
        return replace(_with_python(triton), fallback=f"{_SLOW}: {reason}")
    except TritonNotFound as exc:
        raise type(exc)(f"{exc}. The native backend needs none of that, but {reason}") from exc


def _with_native(triton: EmbeddedTriton) -> Program:
    return _native(triton, onnxruntime_library())


def _with_gpu(triton: EmbeddedTriton, backend: Backend | None, *, tensorrt: bool) -> Program:
    if backend == "python":
        raise SettingsInvalid(f"{_VARIABLE}: expected 'native' for a GPU: the Python backend uses none")
    gpu = find_gpu(tensorrt=tensorrt)
    program = _native(triton, gpu.onnxruntime)
    search = {"LD_LIBRARY_PATH": prepended("LD_LIBRARY_PATH", gpu.library_directories)}
    return replace(program, environment={**program.environment, **search}, gpu_metrics=True, gpu=gpu)


def _native(triton: EmbeddedTriton, library: Path) -> Program:
    return Program(
        executable=triton.executable,
        backends=native_backends(cache_folder() / "native"),
        environment={**quiet_environment(), ONNXRUNTIME_VARIABLE: str(library)},
        directory=None,
        gpu_metrics=False,
        onnx_only=True,
        backend="native",
    )


def _with_python(triton: EmbeddedTriton) -> Program:
    require_packages()
    parts = python_backend(triton, current_python())
    backends = assemble_backends(parts, cache_folder() / "backends")
    return Program(
        executable=triton.executable,
        backends=backends,
        environment={
            **quiet_environment(),
            "LD_LIBRARY_PATH": prepended("LD_LIBRARY_PATH", parts.library_directories),
            "PATH": prepended("PATH", [parts.bin_directory]),
        },
        # The stub puts its working directory first on sys.path: a model.py there would be taken for the backend.
        directory=backends / "onnxruntime",
        gpu_metrics=False,
        onnx_only=True,
        backend="python",
    )
