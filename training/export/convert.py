"""Call tf2onnx, map its exceptions and silence its log."""

from __future__ import annotations

import logging
import re
from typing import Any

import numpy as np
import onnx
from tf2onnx.convert import from_function
from tf2onnx.utils import make_name, map_onnx_to_numpy_type

from slipway.contract import IMAGE, PROBABILITIES, ModelContract
from training._tensorflow import keras, tf
from training.errors import ExportError
from training.pixels import scaled
from training.recipe import InputRange

__all__ = ["convert"]

_TERMINAL_COLOUR = re.compile(r"\x1b\[\d*m")

# Its log only repeats failures that are also an exception or an unknown operator in the graph.
logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)


def convert(model: keras.Model, contract: ModelContract, *, opset: int, input_range: InputRange) -> onnx.ModelProto:
    """Trace the network with raw pixels as input, and convert the trace.

    Returns:
        A graph with the contract's tensor names; inner names, order and the batch axis are the converter's.

    Raises:
        ExportError: The network does not accept the contract's images or does not return its probabilities, or the
            converter fails.
    """

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        answers = model(scaled(tf.cast(image, tf.float32), input_range), training=False)
        return {PROBABILITIES: tf.cast(answers, tf.float32)}

    signature = [tf.TensorSpec((None, *contract.image.dims), tf.uint8, name=IMAGE)]
    traced = tf.function(serve, input_signature=signature, autograph=False)  # as Keras itself traces a network
    try:
        answers = traced.get_concrete_function().structured_outputs[PROBABILITIES]
    except Exception as exc:
        raise ExportError(
            f"network {model.name!r} does not take images of shape {contract.image_shape}: {_plain(exc)}\n"
            "Its builder must use the image_shape it is given, and return a model with one input and one output"
        ) from exc
    expected = (None, *contract.probabilities.dims)
    if tuple(answers.shape) != expected:
        raise ExportError(f"network {model.name!r}: expected outputs of shape {expected}, got {tuple(answers.shape)}")
    try:
        proto, _ = from_function(
            traced, input_signature=signature, opset=opset, custom_op_handlers={"Erfc": (_convert_erfc, [])}
        )
    except Exception as exc:
        raise ExportError(
            f"network {model.name!r} cannot be converted to ONNX: {_plain(exc)}\n"
            "Replace the layer named above by one with an ONNX counterpart; ordinary Keras layers have one"
        ) from exc
    return proto


def _convert_erfc(context: Any, node: Any, name: str, _arguments: list[Any]) -> None:  # noqa: ANN401  # tf2onnx has no types
    """Write `erfc(x)` as `1 - erf(x)`: TensorFlow's exact GELU holds it, and neither ONNX nor tf2onnx does."""
    taken, given = list(node.input), list(node.output)
    shapes, types = node.output_shapes, node.output_dtypes
    context.remove_node(name)
    erf = context.make_node("Erf", taken)
    one = context.make_const(make_name(name), np.array(1, map_onnx_to_numpy_type(types[0])))
    context.make_node("Sub", [one.output[0], erf.output[0]], outputs=given, name=name, shapes=shapes, dtypes=types)


def _plain(exc: Exception) -> str:
    """The exception's message without Keras' terminal colours."""
    return f"{type(exc).__name__}: {_TERMINAL_COLOUR.sub('', str(exc)).strip()}"
