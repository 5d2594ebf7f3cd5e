"""What can be said of an ONNX file without running it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import onnx

__all__ = ["OnnxFacts", "describe_onnx"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxFacts:
    """One ONNX file.

    Attributes:
        opset: Version of the default operator set.
        ir_version: Version of the file format.
        nodes: Operators in the graph.
        parameters: Numbers in the weights, integer constants such as shapes left out.
        size_bytes: Length of the file.
        sha256: Hex digest of the file.
    """

    opset: int
    ir_version: int
    nodes: int
    parameters: int
    size_bytes: int
    sha256: str


def describe_onnx(onnx_bytes: bytes) -> OnnxFacts:
    """Read the facts out of a file that `export_onnx` wrote."""
    proto = onnx.ModelProto.FromString(onnx_bytes)
    weights = [one for one in proto.graph.initializer if one.data_type == onnx.TensorProto.FLOAT]
    return OnnxFacts(
        opset=next(one.version for one in proto.opset_import if not one.domain),
        ir_version=proto.ir_version,
        nodes=len(proto.graph.node),
        parameters=sum(onnx.numpy_helper.to_array(one).size for one in weights),
        size_bytes=len(onnx_bytes),
        sha256=hashlib.sha256(onnx_bytes).hexdigest(),
    )
