"""`slipway serve` as a process, and a model that is busy for as long as it is asked to be."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from tests.children import started

SLIPWAY = Path(sys.executable).with_name("slipway")
ANY_PORTS = ("--http-port", "0", "--grpc-port", "0", "--metrics-port", "0")
# One request at a time, so that a second one visibly waits.
BUSY_CONFIG = """
name: "busy" backend: "onnxruntime" max_batch_size: 1
input { name: "rounds" data_type: TYPE_INT64 dims: 1 }
output { name: "done" data_type: TYPE_INT64 dims: 1 }
instance_group { kind: KIND_CPU count: 1 }
dynamic_batching { }
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
"""


def busy_model():
    """ONNX that multiplies a matrix as many times as the request says, about half a millisecond each."""
    value, tensor = helper.make_tensor_value_info, numpy_helper.from_array
    loop = helper.make_graph(
        [helper.make_node("MatMul", ["matrix", "identity"], ["product"]), helper.make_node("Identity", ["on"], ["go"])],
        "loop",
        [
            value("i", TensorProto.INT64, []),
            value("on", TensorProto.BOOL, []),
            value("matrix", TensorProto.FLOAT, [256, 256]),
        ],
        [value("go", TensorProto.BOOL, []), value("product", TensorProto.FLOAT, [256, 256])],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Squeeze", ["rounds"], ["count"]),
            helper.make_node("Loop", ["count", "", "identity"], ["result"], body=loop),
            helper.make_node("ReduceMax", ["result"], ["one"], keepdims=0),
            helper.make_node("Cast", ["one"], ["factor"], to=TensorProto.INT64),
            helper.make_node("Mul", ["rounds", "factor"], ["done"]),
        ],
        "busy",
        [value("rounds", TensorProto.INT64, ["batch", 1])],
        [value("done", TensorProto.INT64, ["batch", 1])],
        [tensor(np.eye(256, dtype=np.float32), "identity")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


@contextmanager
def serving(repository, *options, **variables):
    """`slipway serve` and the three addresses that it prints."""
    with started(
        *(SLIPWAY, "serve", "--repository", repository, *ANY_PORTS, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    ) as command:
        try:
            panel = "".join(takewhile(lambda line: line != "Ctrl-C stops it.\n", command.stdout))
            assert panel, command.stderr.read()
            urls = {name: re.search(rf"{name}\s+(\S+)", panel)[1] for name in ("gRPC", "HTTP", "metrics")}
            yield command, panel, urls
        finally:
            command.terminate()
            with suppress(subprocess.TimeoutExpired):
                command.wait(timeout=60)


def refused(repository, *options):
    return subprocess.run(
        [SLIPWAY, "serve", "--repository", str(repository), *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "500"},
    )


def child_of(pid):
    (child,) = (int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split())
    return child
