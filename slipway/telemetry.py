"""Switch off the telemetry of dependencies, before they are imported.

ONNX Runtime 1.32 stores a machine identifier in ~/.cache/Microsoft and sends events with the names of models and files
to Microsoft as soon as it is imported. Only this variable stops it; `disable_telemetry_events()` does not.
"""

from __future__ import annotations

import os

__all__ = ["quiet_environment", "switch_off"]

_QUIET = {"ORT_DISABLE_TELEMETRY": "1"}


def quiet_environment() -> dict[str, str]:
    """Environment variables for a process that loads such a library; existing settings are kept."""
    return {name: os.environ.get(name, value) for name, value in _QUIET.items()}


def switch_off() -> None:
    """Set them for this process and its children. Call it before such a library is imported."""
    os.environ.update(quiet_environment())
