"""What the embedded server does not run, verified or not: anything but an ONNX file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.model_config import ContractUnreadable, parse_config
from slipway.printable import printable
from slipway.repository import other_than_onnx
from slipway.triton._errors import ModelNotServable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["refuse_other_than_onnx"]


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
        if said := other_than_onnx(config):
            raise ModelNotServable(
                f"model {model!r}, {name}: expected an ONNX file and nothing else, got {said}. The server "
                "that comes with Slipway runs no other code; `--tritonserver PATH` names one that does"
            )
