"""What this project uses and what would call home: told not to, before it is loaded.

ONNX Runtime 1.32 keeps a number of this machine in ~/.cache/Microsoft and sends events with the names of models and
files to Microsoft, from the moment that it is imported. Only this variable stops it; its own
`disable_telemetry_events()` does not.
"""

from __future__ import annotations

import os

__all__ = ["quiet_environment", "switch_off"]

_QUIET = {"ORT_DISABLE_TELEMETRY": "1"}


def quiet_environment() -> dict[str, str]:
    """Variables for a process that loads such a library; what the user has set for this one is kept."""
    return {name: os.environ.get(name, value) for name, value in _QUIET.items()}


def switch_off() -> None:
    """Set them for this process and what it starts. Call it before such a library is imported."""
    os.environ.update(quiet_environment())
