"""Write a network as an ONNX file: convert, rewrite, name, check; and describe the file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import onnx

from slipway.contract import IMAGE, PROBABILITIES, ModelContract
from training._tensorflow import keras
from training.builder import MAX_PARAMETERS
from training.errors import ExportError
from training.export.convert import convert
from training.export.graph_rewrites import canonical, fold_scaling, freeze_reshapes
from training.recipe import InputRange

__all__ = ["IR_VERSION", "MAX_OPSET", "MIN_OPSET", "OnnxFacts", "describe_onnx", "export_onnx"]

IR_VERSION = 8
"""Version of the file format; with an opset of at most 17, every Triton since 23.05 loads the file."""

MIN_OPSET = 13
MAX_OPSET = 17

_BATCH = "batch"


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


def export_onnx(
    model: keras.Model, contract: ModelContract, *, opset: int = MAX_OPSET, input_range: InputRange = "unit"
) -> bytes:
    """Write a network as ONNX. The same weights give the same bytes, in any process.

    The file takes raw pixels. A division by 255, ours or the network's own, moves into the weights of a first layer
    that is a convolution or a matrix product; otherwise it stays in the graph. `model` is only read.

    Args:
        model: Maps `(n, *contract.image_shape)` to probabilities `(n, classes)`.
        contract: Names and shapes of the inputs and outputs.
        opset: ONNX operator set, 13 to 17.
        input_range: Range of the pixels that `model` takes: with `unit` the file divides them by 255 first.

    Returns:
        An ONNX file with one input `image` UINT8 `[batch, height, width, channels]` and one output
        `probabilities` FP32 `[batch, classes]`.

    Raises:
        ExportError: The network does not match the contract, or has a layer that ONNX or its converter lacks.
    """
    if not MIN_OPSET <= opset <= MAX_OPSET:
        raise ExportError(f"export.opset: expected {MIN_OPSET} to {MAX_OPSET}, got {opset}")
    if model.count_params() > MAX_PARAMETERS:
        raise ExportError(
            f"network {model.name!r}: expected at most {MAX_PARAMETERS:,} parameters, which an ONNX file can hold, got "
            f"{model.count_params():,}"
        )
    proto = convert(model, contract, opset=opset, input_range=input_range)
    _set_signature(proto, contract)
    fold_scaling(proto.graph)
    try:
        freeze_reshapes(proto)
        proto = canonical(proto)
        proto.ir_version = IR_VERSION
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as exc:
        way = f"raise export.opset (at most {MAX_OPSET}) or " if opset < MAX_OPSET else ""
        raise ExportError(
            f"network {model.name!r} does not make a valid ONNX file of opset {opset}: {exc}\n"
            f"A layer has no counterpart in that operator set: {way}build the layer from simpler ones"
        ) from exc
    serialized: bytes = proto.SerializeToString(deterministic=True)
    return serialized


def _set_signature(proto: onnx.ModelProto, contract: ModelContract) -> None:
    """Give both tensors the contract's shape; the converter calls the batch axis `unk__<counter>`."""
    signature = (
        (proto.graph.input, IMAGE, onnx.TensorProto.UINT8, contract.image.dims),
        (proto.graph.output, PROBABILITIES, onnx.TensorProto.FLOAT, contract.probabilities.dims),
    )
    for tensors, name, element_type, dims in signature:
        if [tensor.name for tensor in tensors] != [name]:
            raise ExportError(f"the converted network: expected one tensor {name!r}, got {[t.name for t in tensors]}")
        tensors[0].CopyFrom(onnx.helper.make_tensor_value_info(name, element_type, [_BATCH, *dims]))
    proto.graph.name = contract.name


def describe_onnx(onnx_bytes: bytes) -> OnnxFacts:
    """Read the facts from an output of `export_onnx`."""
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
