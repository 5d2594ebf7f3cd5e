"""Triton's protobuf messages, in a separate descriptor pool.

    from slipway import protocol as pb

    pb.ModelInferRequest(model_name="mnist")

`tritonclient` registers its files in protobuf's default pool, and so do the `kserve` SDK and other clients of the same
protocol, with slightly different content: the second import fails. This module registers nothing there. It reads the
descriptors of the installed `tritonclient` without importing it.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Any, TypeAlias

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

__all__ = [
    "TYPE_FP32",
    "TYPE_UINT8",
    "DataType",
    "Message",
    "ModelConfig",
    "ModelConfigRequest",
    "ModelConfigResponse",
    "ModelInferRequest",
    "ModelInferResponse",
    "ModelInstanceGroup",
    "ModelMetadataRequest",
    "ModelMetadataResponse",
    "ModelReadyRequest",
    "ModelReadyResponse",
    "ModelWarmup",
    "RepositoryIndexRequest",
    "RepositoryIndexResponse",
    "ServerReadyRequest",
    "ServerReadyResponse",
]

Message: TypeAlias = Any
"""Type of these messages in signatures: protobuf ships no types for classes that are made at run time."""

_PACKAGE = "inference"


def _serialized(module: Path) -> bytes:
    """Find the argument of `AddSerializedFile` in a module that protoc generated."""
    for node in ast.walk(ast.parse(module.read_bytes())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "AddSerializedFile"
        ):
            content: bytes = ast.literal_eval(node.args[0])
            return content
    raise ImportError(
        f"{module}: expected protoc's output with AddSerializedFile, got none: install tritonclient again"
    )


def _open_pool() -> descriptor_pool.DescriptorPool:
    spec = importlib.util.find_spec("tritonclient")  # locates the package without importing it
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("expected the package tritonclient[grpc], found none: install it")
    folder = Path(next(iter(spec.submodule_search_locations))) / "grpc"
    pool = descriptor_pool.DescriptorPool()
    for name in ("model_config_pb2.py", "service_pb2.py"):  # the second imports the first
        pool.AddSerializedFile(_serialized(folder / name))
    return pool


_POOL = _open_pool()


def _message(name: str) -> Any:  # noqa: ANN401 - see `Message`
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


DataType: Any = EnumTypeWrapper(_POOL.FindEnumTypeByName(f"{_PACKAGE}.DataType"))
TYPE_FP32: int = DataType.Value("TYPE_FP32")
TYPE_UINT8: int = DataType.Value("TYPE_UINT8")

ModelConfig = _message("ModelConfig")
ModelConfigRequest = _message("ModelConfigRequest")
ModelConfigResponse = _message("ModelConfigResponse")
ModelInferRequest = _message("ModelInferRequest")
ModelInferResponse = _message("ModelInferResponse")
ModelInstanceGroup = _message("ModelInstanceGroup")
ModelMetadataRequest = _message("ModelMetadataRequest")
ModelMetadataResponse = _message("ModelMetadataResponse")
ModelReadyRequest = _message("ModelReadyRequest")
ModelReadyResponse = _message("ModelReadyResponse")
ModelWarmup = _message("ModelWarmup")
RepositoryIndexRequest = _message("RepositoryIndexRequest")
RepositoryIndexResponse = _message("RepositoryIndexResponse")
ServerReadyRequest = _message("ServerReadyRequest")
ServerReadyResponse = _message("ServerReadyResponse")
