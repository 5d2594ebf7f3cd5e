"""Import ONNX Runtime with its telemetry off. No other module imports it directly; a test checks this.

from slipway.onnx_runtime import onnxruntime
"""

from slipway.telemetry import switch_off

switch_off()  # it reads the variable at import

import onnxruntime  # noqa: E402

__all__ = ["onnxruntime"]
