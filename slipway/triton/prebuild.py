"""`python -m slipway.triton.prebuild`: compile the native backend into the installed package, for an image."""

from __future__ import annotations

import sys

from slipway.triton._compiler import CompilerFailed
from slipway.triton._errors import NativeUnavailable
from slipway.triton._native_backend import PREBUILT, prebuild

__all__: list[str] = []

if __name__ == "__main__":
    try:
        sys.stdout.write(f"{prebuild(PREBUILT)}\n")
    except (CompilerFailed, NativeUnavailable, OSError) as exc:
        sys.exit(f"error: {exc}")
