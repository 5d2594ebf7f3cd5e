"""What a model configuration may not name: anything with which Triton would run something else than an ONNX file.

Triton's Python backend runs the code of whoever wrote a configuration: `backend: "python"`, an environment that it
unpacks, a library of operators or of batching. And Triton answers with the lines of any file that is named as labels.
"""

from __future__ import annotations

from collections.abc import Iterator

from tritonclient.grpc.model_config_pb2 import ModelConfig

from slipway.model_config import files_outside
from slipway.printable import printable

_BACKEND = "onnxruntime"
_PLATFORM = "onnxruntime_onnx"
_CODE_PARAMETERS = ("EXECUTION_ENV_PATH", "TRITON_BATCH_STRATEGY_PATH")


def other_than_onnx(config: ModelConfig) -> str:
    """The first field that says so, as it is written there; empty where an ONNX file and nothing else would run."""
    return printable(next(_fields(config), ""))


def _fields(config: ModelConfig) -> Iterator[str]:
    if config.backend not in {"", _BACKEND}:
        yield f'backend: "{config.backend}"'
    if config.platform not in {"", _PLATFORM}:
        yield f'platform: "{config.platform}"'
    if not config.backend and not config.platform:
        yield "neither backend nor platform"
    if config.runtime:
        yield f'runtime: "{config.runtime}"'
    yield from (f"the parameter {name}" for name in config.parameters if name.upper() in _CODE_PARAMETERS)
    if config.HasField("model_repository_agents"):
        yield "model_repository_agents"
    if config.model_operations.op_library_filename:
        yield "model_operations { op_library_filename }"
    yield from files_outside(config)
    files = (config.default_model_filename, *config.cc_model_filenames.values())
    yield from (f"a model file in another folder, {file}" for file in files if "/" in file)
