"""A real tritonserver on this machine: the one of the system, or the one inside the wheel of the extra `serve`.

    with TritonServer(ServerSettings(repository=Path("model_repository"))) as server:
        print(server.grpc_url, server.models())

Both serve the very same model repository: the wheel's has no ONNX Runtime backend, so one of ours stands in for the
official one. It is native, compiled on first use; where it cannot be compiled, a Python one takes its place.
"""

from slipway.triton._arguments import AdminKey, arguments
from slipway.triton._errors import (
    BackendDied,
    CacheUnsafe,
    FilesRemoved,
    GpuLibraryMissing,
    GpuNotFound,
    LibpythonMissing,
    ModelNotServable,
    NativeUnavailable,
    NotReadyInTime,
    PortTaken,
    PythonUnsupported,
    RestartsUsedUp,
    ServeError,
    ServerDied,
    SettingsInvalid,
    TritonNotFound,
)
from slipway.triton._launch import Launch, prepare, prepare_to_print
from slipway.triton._models import servable_models
from slipway.triton._ports import Ports, addresses_from_outside
from slipway.triton._program import Program, find_program
from slipway.triton._server import ServedModel, TritonServer
from slipway.triton._settings import Backend, ServerSettings
from slipway.triton._supervise import supervise

__all__ = [
    "AdminKey",
    "Backend",
    "BackendDied",
    "CacheUnsafe",
    "FilesRemoved",
    "GpuLibraryMissing",
    "GpuNotFound",
    "Launch",
    "LibpythonMissing",
    "ModelNotServable",
    "NativeUnavailable",
    "NotReadyInTime",
    "PortTaken",
    "Ports",
    "Program",
    "PythonUnsupported",
    "RestartsUsedUp",
    "ServeError",
    "ServedModel",
    "ServerDied",
    "ServerSettings",
    "SettingsInvalid",
    "TritonNotFound",
    "TritonServer",
    "addresses_from_outside",
    "arguments",
    "find_program",
    "prepare",
    "prepare_to_print",
    "servable_models",
    "supervise",
]
