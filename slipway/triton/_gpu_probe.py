"""Loads what a server on a GPU loads, and prints what happened as JSON: in a process of its own.

    python -I -S _gpu_probe.py <library> ...       # LD_LIBRARY_PATH as the server will have it

CUDA's libraries cannot be unloaded, a driver may hang, and the loader reads LD_LIBRARY_PATH when a process starts: so
nothing of this happens in the process that asks. It imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
from pathlib import Path
from typing import Any

__all__: list[str] = []

_DRIVER = "libcuda.so.1"
_NAME_BYTES = 256
_TENSORRT = "libnvinfer.so"
_CUDA_RUNTIME = "libcudart.so"


def _driver() -> dict[str, Any]:
    """What the driver says of itself and its GPUs; `error` where it cannot."""
    try:
        cuda = ctypes.CDLL(_DRIVER)
    except OSError as exc:
        return {"missing": str(exc)}
    if code := cuda.cuInit(0):
        return {"error": f"cuInit failed: {_error_text(cuda, code)}", "code": code}
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    cuda.cuDeviceGetCount(ctypes.byref(count))
    names = []
    for number in range(count.value):
        name = ctypes.create_string_buffer(_NAME_BYTES)
        cuda.cuDeviceGetName(name, _NAME_BYTES, number)
        names.append(name.value.decode(errors="replace"))
    return {"cuda": version.value, "devices": names}


def _error_text(cuda: ctypes.CDLL, code: int) -> str:
    text = ctypes.c_char_p()
    if cuda.cuGetErrorString(code, ctypes.byref(text)) or not text.value:
        return f"error {code}"
    return f"{text.value.decode(errors='replace')} (error {code})"


def _load(libraries: list[str]) -> dict[str, str]:
    """The error of each library that cannot be loaded. Later ones find the symbols of earlier ones."""
    errors = {}
    for library in libraries:
        try:
            ctypes.CDLL(library, ctypes.RTLD_GLOBAL)
        except OSError as exc:
            errors[library] = str(exc)
    return errors


def _loaded(name: str) -> ctypes.CDLL | None:
    """A library that is loaded already, by its file name without the version."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    found = re.search(rf"(/\S*/{re.escape(name)}\S*)$", maps, re.MULTILINE)
    return ctypes.CDLL(found[1]) if found else None


def _runtime_version() -> int:
    """Of CUDA, as the libraries were built for it, such as 13000; 0 where none is loaded."""
    version = ctypes.c_int()
    if (runtime := _loaded(_CUDA_RUNTIME)) is not None:
        runtime.cudaRuntimeGetVersion(ctypes.byref(version))
    return version.value


def _tensorrt_version() -> int:
    """Such as 101601; 0 where it is not loaded."""
    tensorrt = _loaded(_TENSORRT)
    return int(tensorrt.getInferLibVersion()) if tensorrt is not None else 0


if __name__ == "__main__":
    found = {"driver": _driver(), "errors": _load(sys.argv[1:])}
    json.dump({**found, "runtime": _runtime_version(), "tensorrt": _tensorrt_version()}, sys.stdout)
