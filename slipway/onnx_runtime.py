"""ONNX Runtime as this project loads it: it sends nothing. No other module imports it, a test looks.

from slipway.onnx_runtime import onnxruntime
"""

from slipway.telemetry import switch_off

switch_off()  # it reads the variable when it is loaded

import onnxruntime  # noqa: E402

__all__ = ["onnxruntime"]
