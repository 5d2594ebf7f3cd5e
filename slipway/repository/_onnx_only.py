"""Reject a model configuration with which Triton would run anything but an ONNX file.

A configuration can make Triton run its author's code: `backend: "python"`, an environment that it unpacks, a library of
operators or of batching. And Triton returns the lines of any file that is named as a label file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from slipway import protocol as pb
from slipway.contained_path import UnsafePath, check_relative
from slipway.model_config import ContractUnreadable, parse_config
from slipway.printable import printable
from slipway.repository._errors import ModelDamaged

_BACKEND = "onnxruntime"
_PLATFORM = "onnxruntime_onnx"
_CODE_PARAMETERS = ("EXECUTION_ENV_PATH", "TRITON_BATCH_STRATEGY_PATH")
_TENSORRT_PLUGINS = "trt_extra_plugin_lib_paths"
_TENSORRT_FILES = ("trt_engine_cache_prefix", "int8_calibration_table_name")  # in the folder of engines


def other_than_onnx(config: pb.Message) -> str:
    """The first offending field, as written in the configuration; empty if only an ONNX file would run."""
    return printable(next(_fields(config), ""))


def check_sealed(path: Path, content: bytes, *, outcome: str) -> None:
    """Reject an unsafe configuration even if its manifest lists it: a manifest proves integrity, not good intent.

    Args:
        path: For messages.
        content: The file's bytes.
        outcome: Sentence on what was not done, without its full stop.

    Raises:
        ModelDamaged: It cannot be parsed, or anything but an ONNX file would run.
    """
    try:
        named = other_than_onnx(parse_config(content.decode("utf-8")))
    except (ContractUnreadable, UnicodeDecodeError) as exc:
        raise ModelDamaged(f"{path}: {printable(str(exc))}. Publish again, or fix it") from exc
    if named:
        raise ModelDamaged(
            f"{path}: expected the backend onnxruntime and files of the model, nothing else, got {named}. "
            f"{outcome}, although it is sealed: remove it, or find out who wrote this file"
        )


def _fields(config: pb.Message) -> Iterator[str]:
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
    yield from _accelerator_files(config)
    yield from _files_outside(config)
    files = (config.default_model_filename, *config.cc_model_filenames.values())
    yield from (f"a model file in another folder, {file}" for file in files if "/" in file)


def _accelerator_files(config: pb.Message) -> Iterator[str]:
    accelerators = config.optimization.execution_accelerators
    for accelerator in (*accelerators.gpu_execution_accelerator, *accelerators.cpu_execution_accelerator):
        if _TENSORRT_PLUGINS in accelerator.parameters:
            yield f"libraries of {accelerator.name}, {_TENSORRT_PLUGINS}"
        for key in _TENSORRT_FILES:
            if "/" in (value := accelerator.parameters.get(key, "")):
                yield f'{key}: "{value}" of {accelerator.name}, in another folder: name it without "/"'


def _files_outside(config: pb.Message) -> Iterator[str]:
    """Fields that name a file outside of the model's folder, as text.

    Triton joins such a name to the folder and reads the file; it returns the lines of a label file to clients.
    """
    named = [("label_filename", output.label_filename) for output in config.output]
    named += [("default_model_filename", config.default_model_filename)]
    named += [("cc_model_filenames", name) for name in config.cc_model_filenames.values()]
    named += [
        ("input_data_file", tensor.input_data_file)
        for warmup in config.model_warmup
        for tensor in warmup.inputs.values()
    ]
    for field, name in named:
        try:
            check_relative(name or field)
        except UnsafePath:
            yield f'{field}: "{name}", outside of the model\'s folder'
