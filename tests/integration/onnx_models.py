"""Small ONNX models whose answers are exact, with their configurations: every data type, shape and fault once."""

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

QUEUE_DELAY_US = 2000  # long enough that requests sent together share a batch
DTYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}
_ONNX = {
    "BOOL": TensorProto.BOOL,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
    "BF16": TensorProto.BFLOAT16,
    "COMPLEX64": TensorProto.COMPLEX64,
}


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """`dims` as config.pbtxt has them; `axes` as the ONNX file names them, the batch included."""

    name: str
    dtype: str
    dims: tuple[int, ...]
    axes: tuple[int | str, ...]

    def value_info(self):
        dtype = _ONNX[self.dtype] if self.dtype in _ONNX else getattr(TensorProto, self.dtype)
        return helper.make_tensor_value_info(self.name, dtype, self.axes)

    def config(self, kind):
        dtype = "STRING" if self.dtype == "BYTES" else self.dtype
        # Triton wants a dimension at least: for a single number it takes one off.
        dims = f"dims: [ {', '.join(map(str, self.dims))} ]" if self.dims else "dims: [ 1 ] reshape { shape: [ ] }"
        return f'{kind} {{ name: "{self.name}" data_type: TYPE_{dtype} {dims} }}'


@dataclass(frozen=True, kw_only=True)
class Model:
    """An ONNX graph and what Triton is told about it."""

    name: str
    nodes: tuple
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    initializers: tuple = ()
    max_batch_size: int = 8
    instances: int = 1
    opset: int = 17
    extra: str = ""

    def onnx(self, *, check=True):
        graph = helper.make_graph(
            list(self.nodes),
            self.name,
            [tensor.value_info() for tensor in self.inputs],
            [tensor.value_info() for tensor in self.outputs],
            list(self.initializers),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        if check:
            checker.check_model(model)
        return model.SerializeToString()

    def config(self):
        delay = f"dynamic_batching {{ max_queue_delay_microseconds: {QUEUE_DELAY_US} }}" if self.max_batch_size else ""
        return "\n".join(
            [
                f'name: "{self.name}" backend: "onnxruntime" max_batch_size: {self.max_batch_size}',
                *(tensor.config("input") for tensor in self.inputs),
                *(tensor.config("output") for tensor in self.outputs),
                f"instance_group {{ kind: KIND_CPU count: {self.instances} }}",
                'parameters { key: "intra_op_thread_count" value { string_value: "1" } }',
                delay,
                self.extra,
            ]
        )

    def write(self, root, *, file=None, config=None):
        """As version 1 of a model repository; either file can be another than its own."""
        folder = root / self.name / "1"
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(self.onnx() if file is None else file)
        (folder.parent / "config.pbtxt").write_text(self.config() if config is None else config)


def identity(dtype, *, batched=True):
    """`out = in`, of any shape with two dimensions besides the batch."""
    axes = (*(("batch",) if batched else ()), "rows", "columns")
    return Model(
        name=f"identity_{dtype.lower()}" if batched else f"unbatched_{dtype.lower()}",
        nodes=(helper.make_node("Identity", ["in"], ["out"]),),
        inputs=(Tensor(name="in", dtype=dtype, dims=(-1, -1), axes=axes),),
        outputs=(Tensor(name="out", dtype=dtype, dims=(-1, -1), axes=axes),),
        max_batch_size=8 if batched else 0,
    )


def arithmetic():
    """Two inputs, three outputs, in another order in the file than in the configuration; integers wrap exactly."""

    def tensor(name):
        return Tensor(name=name, dtype="INT32", dims=(-1,), axes=("batch", "columns"))

    return Model(
        name="arithmetic",
        nodes=(
            helper.make_node("Add", ["a", "b"], ["sum"]),
            helper.make_node("Mul", ["a", "b"], ["product"]),
            helper.make_node("Sub", ["sum", "b"], ["again"]),
        ),
        inputs=(tensor("b"), tensor("a")),
        outputs=(tensor("product"), tensor("again"), tensor("sum")),
        instances=2,
    )


def lookup():
    """`value = table[index]` with ten rows: another index fails while it runs."""
    return Model(
        name="lookup",
        nodes=(helper.make_node("Gather", ["table", "index"], ["value"], axis=0),),
        inputs=(Tensor(name="index", dtype="INT64", dims=(1,), axes=("batch", 1)),),
        outputs=(Tensor(name="value", dtype="FP32", dims=(1,), axes=("batch", 1)),),
        initializers=(numpy_helper.from_array(np.arange(10, dtype=np.float32) + 100, "table"),),
    )


def positions():
    """Without batching; the shape of one output depends on the values, that of the other is always the same."""
    return Model(
        name="positions",
        nodes=(
            helper.make_node("NonZero", ["in"], ["where"]),
            helper.make_node("ReduceSum", ["in"], ["total"], keepdims=1),
        ),
        inputs=(Tensor(name="in", dtype="INT32", dims=(-1, -1), axes=("rows", "columns")),),
        outputs=(
            Tensor(name="where", dtype="INT64", dims=(2, -1), axes=(2, "found")),
            Tensor(name="total", dtype="INT32", dims=(1, 1), axes=(1, 1)),
        ),
        max_batch_size=0,
    )


def row_sums():
    """One number for each row, which Triton knows as a dimension taken off."""
    return Model(
        name="row_sums",
        nodes=(helper.make_node("ReduceSum", ["in", "columns"], ["sum"], keepdims=0),),
        inputs=(Tensor(name="in", dtype="INT64", dims=(4,), axes=("batch", 4)),),
        outputs=(Tensor(name="sum", dtype="INT64", dims=(), axes=("batch",)),),
        initializers=(numpy_helper.from_array(np.array([1]), "columns"),),
    )


def broken_promise():
    """Says that its output is as long as its input, and answers with what is not zero."""
    return Model(
        name="broken_promise",
        nodes=(
            helper.make_node("NonZero", ["in"], ["where"]),
            helper.make_node("Squeeze", ["where", "first"], ["out"]),
        ),
        inputs=(Tensor(name="in", dtype="INT64", dims=(-1,), axes=("length",)),),
        outputs=(Tensor(name="out", dtype="INT64", dims=(-1,), axes=("length",)),),
        initializers=(numpy_helper.from_array(np.array([0]), "first"),),
        max_batch_size=0,
    )
