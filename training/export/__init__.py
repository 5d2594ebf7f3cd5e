"""Export a trained Keras network to the ONNX file that Triton serves, and compare their outputs.

    onnx_bytes = export_onnx(model, contract, opset=17)
    parity = measure_parity(model, onnx_bytes, images, max_batch_size=contract.max_batch_size)
    describe_onnx(onnx_bytes).sha256

Nothing is written to disk, and the network is not modified.
"""

from __future__ import annotations

from training.export.onnx import IR_VERSION, MAX_OPSET, MIN_OPSET, OnnxFacts, describe_onnx, export_onnx
from training.export.parity import Parity, keras_probabilities, measure_parity, onnx_probabilities

__all__ = [
    "IR_VERSION",
    "MAX_OPSET",
    "MIN_OPSET",
    "OnnxFacts",
    "Parity",
    "describe_onnx",
    "export_onnx",
    "keras_probabilities",
    "measure_parity",
    "onnx_probabilities",
]
