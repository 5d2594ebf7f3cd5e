"""Loads what a server on a GPU loads, and prints what happened as JSON: in a process of its own.

    python -I -S _gpu_probe.py <library> ...       # LD_LIBRARY_PATH as the server will have it

An absolute path is a provider of ONNX Runtime's: what it needs is loaded, and not the provider itself, which crashes
anywhere but inside of ONNX Runtime. Any other name is loaded as the loader finds it.

CUDA's libraries cannot be unloaded, a driver may hang, and the loader reads LD_LIBRARY_PATH when a process starts: so
nothing of this happens in the process that asks. It imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import re
import struct
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
    """The first error of each library that cannot be loaded."""
    errors: dict[str, str] = {}
    for library in libraries:
        try:
            for name in needed(Path(library)) if library.startswith("/") else [library]:
                ctypes.CDLL(name)
        except (OSError, ValueError) as exc:
            errors[library] = str(exc)
    return errors


def needed(library: Path) -> list[str]:
    """The libraries that an ELF file of 64 bits names as needed (elf.h: PT_DYNAMIC, DT_NEEDED, DT_STRTAB)."""
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[:5] != b"\x7fELF\x02":
            raise ValueError(f"{library}: expected an ELF file of 64 bits")
        (table,), (size, count) = struct.unpack_from("<Q", content, 32), struct.unpack_from("<HH", content, 54)
        # type, flags, offset in the file, address, physical address, size in the file
        parts = [struct.unpack_from("<IIQQQQ", content, table + number * size) for number in range(count)]
        (dynamic,) = [part for part in parts if part[0] == 2]
        entries = list(struct.iter_unpack("<qQ", content[dynamic[2] : dynamic[2] + dynamic[5]]))
        address = next(value for tag, value in entries if tag == 5)
        strings = next(
            part[2] + address - part[3] for part in parts if part[0] == 1 and 0 <= address - part[3] < part[5]
        )
        starts = [strings + value for tag, value in entries if tag == 1]
        return [content[start : content.find(b"\0", start)].decode() for start in starts]


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
