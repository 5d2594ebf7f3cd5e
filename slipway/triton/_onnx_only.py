"""What the embedded server does not run: anything but an ONNX file.

Its Python backend would run the code of whoever wrote a configuration: `backend: "python"`, an environment that it
unpacks, a library of operators or of batching. And it would answer with the lines of any file that is named as labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway.model_config import ContractUnreadable, files_outside, parse_config
from slipway.printable import printable
from slipway.triton._errors import ModelNotServable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["refuse_other_than_onnx"]

_BACKEND = "onnxruntime"
_PLATFORM = "onnxruntime_onnx"
_CODE_PARAMETERS = ("EXECUTION_ENV_PATH", "TRITON_BATCH_STRATEGY_PATH")


def refuse_other_than_onnx(repository: Path, models: tuple[str, ...], config_name: str | None) -> None:
    """Refuse a configuration with which tritonserver would run something else.

    Args:
        repository: What tritonserver is shown, so that nobody changes it after this look.
        models: What it loads.
        config_name: Serves `configs/<config_name>.pbtxt`; None is `config.pbtxt`.

    Raises:
        ModelNotServable: Names the field.
    """
    for model in models:
        name = f"configs/{config_name}.pbtxt" if config_name else "config.pbtxt"
        try:
            config = parse_config((repository / model / name).read_text(encoding="utf-8"))
        except (ContractUnreadable, UnicodeDecodeError) as exc:
            raise ModelNotServable(f"model {model!r}, {name}: {printable(str(exc))}") from exc
        said = next(_other_than_onnx(config), None)
        if said is not None:
            raise ModelNotServable(
                f"model {model!r}, {name}: expected an ONNX file and nothing else, got {printable(said)}. The server "
                "that comes with Slipway runs no other code; `--tritonserver PATH` names one that does"
            )


def _other_than_onnx(config: Any) -> Iterator[str]:  # noqa: ANN401 - generated, without types
    """The fields that say so."""
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
