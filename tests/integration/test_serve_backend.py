"""Our backends named `onnxruntime`, inside a real tritonserver."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from onnx import TensorProto, checker, helper, numpy_helper
from tritonclient.utils import InferenceServerException

from slipway.triton import ModelNotServable, ServerDied, ServerSettings, TritonServer

pytestmark = pytest.mark.triton

# A queue delay long enough that requests sent together run together.
LOOKUP_CONFIG = """
name: "lookup" backend: "onnxruntime" max_batch_size: 8 default_model_filename: "table.onnx"
input { name: "index" data_type: TYPE_INT64 dims: 1 }
output { name: "value" data_type: TYPE_FP32 dims: 1 }
output { name: "negative" data_type: TYPE_FP32 dims: 1 }
dynamic_batching { max_queue_delay_microseconds: 300000 preferred_batch_size: 4 }
instance_group { kind: KIND_CPU count: 1 }
"""


def lookup_model():
    """ONNX that fails on data: `value = table[index]` has ten rows."""
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "index"], ["value"], axis=0),
            helper.make_node("Neg", ["value"], ["negative"]),
        ],
        "lookup",
        [helper.make_tensor_value_info("index", TensorProto.INT64, ["batch", 1])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("value", "negative")],
        [numpy_helper.from_array(np.arange(10, dtype=np.float32) + 100, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


@pytest.mark.usefixtures("backend")
def test_a_poisonous_request_fails_alone_in_its_batch(tmp_path):
    (tmp_path / "lookup" / "1").mkdir(parents=True)
    (tmp_path / "lookup" / "config.pbtxt").write_text(LOOKUP_CONFIG)
    (tmp_path / "lookup" / "1" / "table.onnx").write_bytes(lookup_model())
    with (
        TritonServer(ServerSettings(repository=tmp_path, verify=False)) as server,
        triton_grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client,
        ThreadPoolExecutor(4) as pool,
    ):

        def look_up(index):
            tensor = triton_grpc.InferInput("index", [1, 1], "INT64")
            tensor.set_data_from_numpy(np.array([[index]]))
            try:
                answer = client.infer("lookup", [tensor])
            except InferenceServerException as exc:
                return exc.message()
            return answer.as_numpy("value").item(), answer.as_numpy("negative").item()

        first, poisonous, third, fourth = pool.map(look_up, [1, 99, 3, 4])
        while True:  # a batch is counted after its answers are given
            (statistics,) = client.get_inference_statistics("lookup").model_stats
            if statistics.batch_stats:
                break
            time.sleep(0.05)

    assert [(101, -101), (103, -103), (104, -104)] == [first, third, fourth]
    assert "idx=99 must be within" in poisonous
    assert [4] == [batch.batch_size for batch in statistics.batch_stats]


@pytest.mark.usefixtures("backend")
def test_a_model_that_cannot_be_loaded_is_the_first_thing_the_error_says(own_repository):
    (own_repository / "mnist" / "1" / "model.onnx").write_bytes(b"not ONNX")
    reason = r"model\.onnx cannot be loaded: .*PROTOBUF"
    with pytest.raises(ServerDied, match=rf"^tritonserver ended with code 1: .*{reason}") as caught:
        TritonServer(ServerSettings(repository=own_repository, verify=False)).start()

    assert 1 == caught.value.exit_code
    assert "At:" not in str(caught.value)


def test_a_configuration_that_is_none_is_refused_before_anything_starts(own_repository):
    (own_repository / "mnist" / "config.pbtxt").write_text("max_batch_sizes: 8")
    with pytest.raises(ModelNotServable, match=r'1:1.* has no field named "max_batch_sizes"'):
        TritonServer(ServerSettings(repository=own_repository, verify=False)).start()
