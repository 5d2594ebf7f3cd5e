"""Our backend without a tritonserver: only the module that Triton gives it is made up."""

import errno
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import TensorProto, helper, save

import slipway.triton

MODEL = Path(slipway.triton.__file__).with_name("onnxruntime_backend") / "model.py"


class TritonModelException(Exception):
    pass


class Tensor:
    def __init__(self, name, array):
        self.name, self.array = name, array

    @classmethod
    def from_dlpack(cls, name, capsule):
        return cls(
            name, np.from_dlpack(SimpleNamespace(__dlpack__=lambda **_: capsule, __dlpack_device__=lambda: (1, 0)))
        )

    def to_dlpack(self):
        return self.array.__dlpack__()


@pytest.fixture
def backend(monkeypatch):
    triton = SimpleNamespace(
        TritonModelException=TritonModelException,
        TritonError=str,
        Tensor=Tensor,
        InferenceResponse=lambda tensors=(), error=None: SimpleNamespace(tensors=tensors, error=error),
        get_input_tensor_by_name=lambda request, name: request[name],
    )
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", triton)
    spec = importlib.util.spec_from_file_location("backend_model", MODEL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TritonPythonModel()


@pytest.fixture
def quotient(tmp_path):
    """`<model>/1/model.onnx` with integer division: quotient = a / b, and a second output, the sum."""
    tensors = {
        name: helper.make_tensor_value_info(name, TensorProto.INT32, ["n", 2]) for name in ("a", "b", "quotient", "sum")
    }
    graph = helper.make_graph(
        [helper.make_node("Div", ["a", "b"], ["quotient"]), helper.make_node("Add", ["a", "b"], ["sum"])],
        "quotient",
        [tensors["a"], tensors["b"]],
        [tensors["quotient"], tensors["sum"]],
    )
    (tmp_path / "1").mkdir()
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        tmp_path / "1" / "model.onnx",
    )
    return tmp_path


def arguments(repository, *, inputs=("a", "b"), outputs=("quotient", "sum"), **config):
    config |= {"input": [{"name": name} for name in inputs], "output": [{"name": name} for name in outputs]}
    return {"model_config": json.dumps(config), "model_repository": str(repository), "model_version": "1"}


def request(a, b):
    return {"a": Tensor("a", np.array(a, np.int32)), "b": Tensor("b", np.array(b, np.int32))}


def values(response):
    return {tensor.name: tensor.array.tolist() for tensor in response.tensors}


def test_requests_of_different_sizes_get_their_own_rows(backend, quotient):
    backend.initialize(arguments(quotient))
    one = request([[8, 9]], [[2, 3]])
    two = request([[10, 20], [30, 40]], [[5, 5], [10, 10]])
    responses = backend.execute([one, two, one])

    assert {"quotient": [[4, 3]], "sum": [[10, 12]]} == values(responses[0]) == values(responses[2])
    assert {"quotient": [[2, 4], [3, 4]], "sum": [[15, 25], [40, 50]]} == values(responses[1])
    assert [values(responses[1])] == [values(response) for response in backend.execute([two])]


def test_outputs_are_those_of_the_configuration_in_its_order(backend, quotient):
    backend.initialize(arguments(quotient, outputs=("sum", "quotient")))
    (response,) = backend.execute([request([[8, 9]], [[2, 3]])])

    assert ["sum", "quotient"] == [tensor.name for tensor in response.tensors]
    assert {"quotient": [[4, 3]], "sum": [[10, 12]]} == values(response)


def test_a_run_that_fails_costs_only_the_request_that_fails_alone(backend, quotient):
    backend.initialize(arguments(quotient))
    good, bad = request([[8, 9]], [[2, 3]]), request([[8, 9, 7]], [[2, 3, 1]])
    responses = backend.execute([good, bad, good])

    assert [None, None] == [responses[0].error, responses[2].error]
    assert {"quotient": [[4, 3]], "sum": [[10, 12]]} == values(responses[0])
    assert responses[1].error.startswith("onnxruntime: ")


def test_a_simulated_batch_takes_no_less_than_its_time_and_answers_the_same(backend, quotient):
    backend.initialize(arguments(quotient, parameters={"simulated_batch_ms": {"string_value": "50"}}))
    one = request([[8, 9]], [[2, 3]])
    started_s = time.perf_counter()
    responses = backend.execute([one, one])
    taken_s = time.perf_counter() - started_s

    assert [{"quotient": [[4, 3]], "sum": [[10, 12]]}] * 2 == [values(response) for response in responses]
    assert taken_s >= 0.05


def test_threads_are_those_of_the_configuration(backend, quotient):
    parameters = {"intra_op_thread_count": {"string_value": "3"}, "inter_op_thread_count": {"string_value": "2"}}
    backend.initialize(arguments(quotient, parameters=parameters))
    options = backend._session.get_session_options()

    assert (3, 2) == (options.intra_op_num_threads, options.inter_op_num_threads)


def test_a_request_is_counted_at_its_beginning_and_at_its_end(backend, quotient, monkeypatch, tmp_path):
    monkeypatch.setenv("SLIPWAY_ACTIVITY", str(tmp_path))
    backend.initialize(arguments(quotient))
    before = (tmp_path / str(os.getpid())).read_bytes()
    backend.execute([request([[8, 9]], [[2, 3]])])

    assert bytes(8) == before
    assert (2).to_bytes(8, "little") == (tmp_path / str(os.getpid())).read_bytes()


def test_on_a_full_disk_requests_are_answered_and_not_counted(backend, quotient, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setenv("SLIPWAY_ACTIVITY", str(tmp_path))
    monkeypatch.setattr("os.posix_fallocate", full)
    backend.initialize(arguments(quotient))

    assert {"quotient": [[4, 3]], "sum": [[10, 12]]} == values(backend.execute([request([[8, 9]], [[2, 3]])])[0])
    assert b"" == (tmp_path / str(os.getpid())).read_bytes()


def test_another_file_name_is_respected(backend, quotient):
    (quotient / "1" / "model.onnx").rename(quotient / "1" / "other.onnx")
    backend.initialize(arguments(quotient, default_model_filename="other.onnx"))

    assert {"quotient": [[4, 3]], "sum": [[10, 12]]} == values(backend.execute([request([[8, 9]], [[2, 3]])])[0])


@pytest.mark.parametrize(
    ("change", "config", "message"),
    [
        (Path.unlink, {}, r"1/model\.onnx is missing: publish this version again"),
        (lambda path: path.write_bytes(b"no"), {}, r"1/model\.onnx cannot be loaded: .*INVALID_PROTOBUF"),
        (None, {"inputs": ("a", "c")}, r"expected inputs \['a', 'c'\] as in config\.pbtxt, got \['a', 'b'\]"),
        (None, {"outputs": ("sum",)}, r"expected outputs \['sum'\] as in config\.pbtxt, got \['quotient', 'sum'\]"),
    ],
    ids=["no file", "no ONNX", "other inputs", "other outputs"],
)
def test_a_model_that_cannot_be_served_is_named(backend, quotient, change, config, message):
    if change is not None:
        change(quotient / "1" / "model.onnx")
    with pytest.raises(TritonModelException, match=message):
        backend.initialize(arguments(quotient, **config))
