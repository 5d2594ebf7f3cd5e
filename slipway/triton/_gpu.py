"""The GPU of this machine and the GPU build of ONNX Runtime for it: found, or refused with what is missing.

gpu = find_gpu(tensorrt=False)
gpu.onnxruntime, gpu.library_directories      # what the native backend loads, and where the loader finds the rest

The wheel `onnxruntime-gpu` loads CUDA's and cuDNN's libraries by name. They come in wheels too, in folders that no
loader searches: LD_LIBRARY_PATH of the server names them.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from slipway.distribution import install_hint
from slipway.platform.processes import ChildProcess, prepended
from slipway.printable import printable
from slipway.triton._errors import GpuLibraryMissing, GpuNotFound

__all__ = ["Gpu", "find_gpu", "find_gpu_names"]

_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # Linux; Windows Subsystem for Linux
_GPU_WHEEL, _CPU_WHEEL = "onnxruntime-gpu", "onnxruntime"
_LIBRARY = "onnxruntime/capi/libonnxruntime.so."
_SHARED = "onnxruntime/capi/libonnxruntime_providers_shared.so"
_CUDA = "onnxruntime/capi/libonnxruntime_providers_cuda.so"
_TENSORRT = "onnxruntime/capi/libonnxruntime_providers_tensorrt.so"
_CUDNN = "libcudnn.so.9"  # the CUDA provider opens it by this name when a session needs it
_FOLDERS = ("nvidia/*/lib", "tensorrt_libs")  # of the wheels nvidia-* and tensorrt-*-libs, in site-packages
_PROBE = Path(__file__).with_name("_gpu_probe.py")
_PROBE_LASTS_S = 120.0  # the first start of a driver that is not kept loaded takes seconds for each GPU
_WITHOUT = "Without a GPU: `slipway serve` without `--gpu`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """What a server needs to run models on the GPUs of this machine.

    Attributes:
        names: Names of the GPUs that CUDA sees, such as "NVIDIA H200".
        onnxruntime: The library of ONNX Runtime's GPU build.
        onnxruntime_version: Such as "1.31.1".
        tensorrt_version: Such as 101601; 0 where TensorRT was not asked for.
        library_directories: Where the loader finds CUDA, cuDNN and TensorRT, besides where it looks anyway.
    """

    names: tuple[str, ...]
    onnxruntime: Path
    onnxruntime_version: str
    tensorrt_version: int
    library_directories: tuple[Path, ...]


def find_gpu(*, tensorrt: bool) -> Gpu:
    """Find GPU, driver and libraries, by loading them as the server will, in a process of its own.

    Args:
        tensorrt: TensorRT is needed as well.

    Raises:
        GpuNotFound: No GPU, or no driver that works; says what was looked for.
        GpuLibraryMissing: A library is not installed, or does not fit the driver; says what brings it.
    """
    _require_device()
    wheel = _gpu_wheel()
    parts = (_SHARED, _CUDA, *((_TENSORRT,) if tensorrt else ()))
    libraries = [] if wheel is None else [*(str(_part(wheel, part)) for part in parts), _CUDNN]
    directories = _library_directories()
    found = _probe(libraries, directories)
    names = _usable_gpus(found["driver"])
    if wheel is None:
        raise GpuLibraryMissing(
            f"the GPU build of ONNX Runtime is not installed in {sys.prefix} (package {_GPU_WHEEL}): "
            f"{install_hint('serve-gpu')}, best in an environment of its own"
        )
    _refuse_older_driver(found)
    for library, error in found["errors"].items():
        raise GpuLibraryMissing(_cannot_load(library, error, directories))
    return Gpu(
        names=names,
        onnxruntime=_part(wheel, _LIBRARY),
        onnxruntime_version=wheel.version,
        tensorrt_version=found["tensorrt"],
        library_directories=directories,
    )


def find_gpu_names() -> tuple[str, ...]:
    """The GPUs that CUDA sees, for a server that brings its own libraries.

    Raises:
        GpuNotFound: See `find_gpu`.
    """
    _require_device()
    return _usable_gpus(_probe([], ())["driver"])


def _require_device() -> None:
    if not any(device.exists() for device in _DEVICES):
        raise GpuNotFound(
            f"no NVIDIA GPU on this machine: expected {' or '.join(map(str, _DEVICES))}, which NVIDIA's driver makes, "
            f"found neither. A container must be started with access to the GPU (`--gpus all`). {_WITHOUT}"
        )


def _gpu_wheel() -> Distribution | None:
    """The GPU build, if it is installed; nothing may be installed over it."""
    try:
        wheel = distribution(_GPU_WHEEL)
    except PackageNotFoundError:
        return None
    try:
        other = distribution(_CPU_WHEEL)
    except PackageNotFoundError:
        return wheel
    if Path(str(other.locate_file(""))).resolve() != Path(str(wheel.locate_file(""))).resolve():
        return wheel  # in a folder of its own
    raise GpuLibraryMissing(
        f"expected one build of ONNX Runtime, {sys.prefix} has {_CPU_WHEEL} {other.version} (CPU) beside {_GPU_WHEEL} "
        f"{wheel.version}: both write the folder onnxruntime/, and the one that came last wins. Make an environment "
        f"with {install_hint('serve-gpu')} alone, or: pip uninstall {_CPU_WHEEL} {_GPU_WHEEL}; "
        f"pip install {_GPU_WHEEL}=={wheel.version}"
    )


def _part(wheel: Distribution, name: str) -> Path:
    """A file of the wheel, by the beginning of its path."""
    recorded = sorted(str(file) for file in wheel.files or () if str(file).startswith(name))
    for file in recorded:
        if (path := Path(str(wheel.locate_file(file)))).is_file():
            return path
    expected = recorded[0] if recorded else name
    raise GpuLibraryMissing(
        f"{wheel.locate_file(expected)} is missing, which {_GPU_WHEEL} {wheel.version} brings: "
        f"pip install --force-reinstall --no-deps {_GPU_WHEEL}=={wheel.version}"
    )


def _library_directories() -> tuple[Path, ...]:
    folders = (
        folder for entry in dict.fromkeys(sys.path) if entry for name in _FOLDERS for folder in Path(entry).glob(name)
    )
    return tuple(sorted({folder.resolve() for folder in folders if folder.is_dir()}))


def _probe(libraries: list[str], directories: tuple[Path, ...]) -> dict[str, Any]:
    search = prepended("LD_LIBRARY_PATH", directories)
    with TemporaryFile() as output, TemporaryFile() as errors:
        process = ChildProcess(
            [sys.executable, "-I", "-S", str(_PROBE), *libraries],
            output=output,
            errors=errors,
            environment={**os.environ, "LD_LIBRARY_PATH": search},
        )
        try:
            exit_code = process.wait(_PROBE_LASTS_S)
        finally:
            process.kill()  # and no wait: one that is stuck in the driver does not end
        output.seek(0)
        errors.seek(0)
        return _result(exit_code, output.read(), errors.read())


def _result(exit_code: int | None, output: bytes, errors: bytes) -> dict[str, Any]:
    if exit_code is None:
        raise GpuNotFound(
            f"NVIDIA's driver did not answer within {_PROBE_LASTS_S:g} s: see `nvidia-smi` and `dmesg`. {_WITHOUT}"
        )
    if exit_code:
        last = printable(errors.decode(errors="replace").strip().rpartition("\n")[2])
        raise GpuNotFound(
            f"loading NVIDIA's driver and libraries ended a test process with {exit_code}: {last or 'no message'}"
        )
    try:
        found: dict[str, Any] = json.loads(output)
    except ValueError as exc:
        raise GpuNotFound(f"loading NVIDIA's driver gave no result that can be read: {exc}") from exc
    return found


def _usable_gpus(driver: dict[str, Any]) -> tuple[str, ...]:
    if "missing" in driver:
        raise GpuNotFound(
            f"NVIDIA's driver library cannot be loaded: {printable(driver['missing'])}. Install the driver, or let the "
            f"container have it (NVIDIA container toolkit); LD_LIBRARY_PATH may name its folder. {_WITHOUT}"
        )
    if "error" in driver:
        raise GpuNotFound(f"NVIDIA's driver has no GPU to give: {printable(driver['error'])}. {_hidden()}{_WITHOUT}")
    if not driver["devices"]:
        raise GpuNotFound(f"NVIDIA's driver runs and shows no GPU. {_hidden()}{_WITHOUT}")
    return tuple(printable(name) for name in driver["devices"])


def _hidden() -> str:
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if hidden is None else f"CUDA_VISIBLE_DEVICES is {printable(hidden)!r} here, which hides the others. "


def _refuse_older_driver(found: dict[str, Any]) -> None:
    """Libraries for a newer major version of CUDA than the driver's fail at their first call, and say less."""
    driver, libraries = found["driver"]["cuda"], found["runtime"]
    if libraries // 1000 > driver // 1000:
        raise GpuLibraryMissing(
            f"expected a driver for CUDA {_dotted(libraries)}, as {_GPU_WHEEL} was built, or another CUDA "
            f"{libraries // 1000}; this one is for CUDA {_dotted(driver)} at most: install a newer driver, or an "
            f"{_GPU_WHEEL} that was built for CUDA {driver // 1000}"
        )


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def _cannot_load(library: str, error: str, directories: tuple[Path, ...]) -> str:
    searched = ", ".join(map(str, directories)) or "no folder of wheels (none of nvidia-* is installed)"
    remedy = (
        "It comes with TensorRT 10 for the same CUDA, which the extra does not bring: docs/serving.md. Or serve "
        "without `--tensorrt`"
        if library.endswith(Path(_TENSORRT).name)
        else f"{install_hint('serve-gpu')} brings them"
    )
    return (
        f"{Path(library).name} cannot be loaded: {printable(error)}. Searched in {searched}, then where the loader "
        f"looks anyway. {remedy}"
    )
