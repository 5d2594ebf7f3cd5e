"""Replace shapes that are computed at run time although only the batch size is unknown.

Keras flattens with the batch size read from the image: six small nodes per request for one number that ONNX infers
by itself (-1).
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

__all__ = ["freeze_reshapes"]


def freeze_reshapes(proto: onnx.ModelProto) -> None:
    """Give each `Reshape` with at most one unknown axis a constant shape, in place.

    The nodes that computed the shape stay behind without a consumer.

    Raises:
        onnx.shape_inference.InferenceError: The graph contradicts itself, or holds an operator that ONNX lacks.
    """
    graph = proto.graph
    constants = {initializer.name for initializer in graph.initializer}
    inferred = onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True).graph
    shapes = {value.name: value.type.tensor_type.shape for value in (*inferred.value_info, *inferred.output)}
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[1] in constants or node.output[0] not in shapes:
            continue
        dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in shapes[node.output[0]].dim]
        if dims.count(-1) <= 1:
            node.input[1] += "/frozen"
            graph.initializer.append(numpy_helper.from_array(np.array(dims, np.int64), node.input[1]))
