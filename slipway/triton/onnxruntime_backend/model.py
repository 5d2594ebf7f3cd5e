"""A python-based Triton backend that runs `<version>/model.onnx` on the CPU, as the official backend would.

Triton finds this file as `<backends>/onnxruntime/model.py` and runs one process per model instance. There the
standard library, numpy and onnxruntime can be imported, and nothing of Slipway.

Tensors go in and out by DLPack. Triton's own `as_numpy()` and `Tensor(name, array)` were compiled for numpy 1: they
take numpy 2's item size for 0, so that every pixel of an input equals its first one, and every output is empty.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import triton_python_backend_utils as pb

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is loaded; see slipway.telemetry

import onnxruntime as ort

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["TritonPythonModel"]

_THREADS = {"intra_op_thread_count": "intra_op_num_threads", "inter_op_thread_count": "inter_op_num_threads"}
_SIMULATED_BATCH_MS = "simulated_batch_ms"
_ACTIVITY = "SLIPWAY_ACTIVITY"
_COUNTER_BYTES = 8
_CONSUMED = b"used_dltensor"
_rename_capsule = ctypes.pythonapi.PyCapsule_SetName
_rename_capsule.argtypes = [ctypes.py_object, ctypes.c_char_p]


class TritonPythonModel:
    """One instance of a model; the name and the methods are Triton's."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the model that Triton's configuration describes.

        Args:
            args: Triton's own: `model_config` (JSON), `model_repository` (the model's folder), `model_version`.

        Raises:
            TritonModelException: The file is missing or no ONNX, or its tensors are not those of the configuration.
        """
        config = json.loads(args["model_config"])
        filename = config.get("default_model_filename") or "model.onnx"
        path = Path(args["model_repository"], args["model_version"], filename)
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        self._activity = _Activity(os.environ.get(_ACTIVITY))
        parameters = config.get("parameters", {})
        self._session = _open_session(path, parameters)
        self._least_s = float(parameters.get(_SIMULATED_BATCH_MS, {}).get("string_value", 0)) / 1e3
        _require_same(path, "inputs", self._inputs, [tensor.name for tensor in self._session.get_inputs()])
        _require_same(path, "outputs", self._outputs, [tensor.name for tensor in self._session.get_outputs()])

    def execute(self, requests: Sequence[object]) -> list[object]:
        """Answer every request out of one run of the model.

        With the parameter `simulated_batch_ms` a batch takes at least so long, whatever its size, and costs no more
        processor time than it does: as if the model ran on an accelerator.
        """
        started_s = time.perf_counter()
        self._activity.count()
        try:
            responses = self._answer(requests)
            time.sleep(max(0.0, started_s + self._least_s - time.perf_counter()))
        finally:
            self._activity.count()
        return responses

    def _answer(self, requests: Sequence[object]) -> list[object]:
        """Run once; if that fails, each request runs alone, so that one poisonous input costs only its own request."""
        try:
            feeds = {name: [_array(request, name) for request in requests] for name in self._inputs}
            results = self._session.run(self._outputs, {name: _join(arrays) for name, arrays in feeds.items()})
        except Exception as exc:  # noqa: BLE001 - onnxruntime's exceptions share no base class, nor do Triton's
            if len(requests) > 1:
                return [self._answer([request])[0] for request in requests]
            return [pb.InferenceResponse(error=pb.TritonError(f"onnxruntime: {exc}"))]
        if len(requests) == 1:
            return [self._response(results)]
        ends = np.cumsum([len(array) for array in feeds[self._inputs[0]]])[:-1]
        return [self._response(rows) for rows in zip(*(np.split(result, ends) for result in results), strict=True)]

    def _response(self, results: Sequence[NDArray[Any]]) -> object:
        tensors = [_tensor(name, result) for name, result in zip(self._outputs, results, strict=True)]
        return pb.InferenceResponse(tensors)


class _Activity:
    """Shows whether this process is executing a request: a number in a file, odd during a request.

    Without a folder for such files nothing is written. Where the disk is full the file stays empty.
    """

    def __init__(self, folder: str | None) -> None:
        self._memory: mmap.mmap | None = None
        self._count = 0
        if folder and Path(folder).is_dir():
            with suppress(OSError), Path(folder, str(os.getpid())).open("w+b") as file:
                # Not truncate: on a full disk the first count would be a SIGBUS.
                os.posix_fallocate(file.fileno(), 0, _COUNTER_BYTES)
                self._memory = mmap.mmap(file.fileno(), _COUNTER_BYTES)

    def count(self) -> None:
        """At the beginning and at the end of each batch."""
        if self._memory is not None:
            self._count += 1
            self._memory[:] = self._count.to_bytes(_COUNTER_BYTES, "little")


def _open_session(path: Path, parameters: Mapping[str, Mapping[str, str]]) -> ort.InferenceSession:
    """Read the same thread settings as the official backend; what is not set stays onnxruntime's default."""
    if not path.is_file():
        raise pb.TritonModelException(f"{path} is missing: publish this version again")
    options = ort.SessionOptions()
    for name, option in _THREADS.items():
        if name in parameters:
            setattr(options, option, int(parameters[name]["string_value"]))
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # onnxruntime's exceptions share no base class
        raise pb.TritonModelException(f"{path} cannot be loaded: {exc}") from exc


def _require_same(path: Path, kind: str, configured: list[str], found: list[str]) -> None:
    if set(configured) != set(found):
        raise pb.TritonModelException(f"{path}: expected {kind} {configured} as in config.pbtxt, got {found}")


def _array(request: object, name: str) -> NDArray[Any]:
    array: NDArray[Any] = np.from_dlpack(_CpuTensor(pb.get_input_tensor_by_name(request, name)))
    return array


class _CpuTensor:
    """Triton's tensor as numpy asks for it: with arguments, which Triton's own `__dlpack__` refuses slowly."""

    def __init__(self, tensor: Any) -> None:  # noqa: ANN401 - Triton's types exist only in the stub
        self._tensor = tensor

    def __dlpack__(self, *, stream: None = None, **_: object) -> Any:  # noqa: ANN401 - a capsule
        return self._tensor.to_dlpack()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # kDLCPU


def _join(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _tensor(name: str, result: NDArray[Any]) -> object:
    """Hand an array to Triton without a copy.

    Triton marks the capsule as consumed, in other words than DLPack's; numpy would complain on every answer.
    """
    capsule = result.__dlpack__()
    tensor: object = pb.Tensor.from_dlpack(name, capsule)
    _rename_capsule(capsule, _CONSUMED)
    return tensor
