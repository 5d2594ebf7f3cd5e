"""What the native backend asks ONNX Runtime for on a GPU, without one and without tritonserver, which looks first."""

import ctypes
import json
import re
import subprocess
from pathlib import Path

import pytest

from slipway.triton import find_program
from tests.integration.onnx_models import lookup

pytestmark = pytest.mark.triton

CPU, GPU = 1, 2
CONFIG = {
    "name": "lookup",
    "max_batch_size": 8,
    "input": [{"name": "index", "data_type": "TYPE_INT64", "dims": [1]}],
    "output": [{"name": "value", "data_type": "TYPE_FP32", "dims": [1]}],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Triton's side of the interface, in this process."""
    library = tmp_path_factory.mktemp("stub") / "server.so"
    source = Path(__file__).with_name("triton_without_server.c")
    subprocess.run(["cc", "-std=c11", "-shared", "-fPIC", "-o", library, source], check=True)
    server = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    server.TRITONSERVER_ErrorMessage.restype = ctypes.c_char_p
    server.TRITONSERVER_ErrorMessage.argtypes = [ctypes.c_void_p]
    return server


@pytest.fixture
def load(server, monkeypatch, tmp_path):
    """Load the model for one kind of instance: the text of the refusal, or None."""
    program = find_program(backend="native")
    for name, value in program.environment.items():
        monkeypatch.setenv(name, value)
    backend = ctypes.CDLL(str(program.backends / "onnxruntime" / "libtriton_onnxruntime.so"))
    lookup().write(tmp_path)

    def call(step):
        function = getattr(backend, f"TRITONBACKEND_{step}")
        function.restype = ctypes.c_void_p
        error = function(None)
        return server.TRITONSERVER_ErrorMessage(error).decode() if error else None

    def run(kind, accelerators=None):
        optimization = {"execution_accelerators": {"gpu_execution_accelerator": accelerators or []}}
        config = json.dumps(CONFIG | {"optimization": optimization}).encode()
        folder = str(tmp_path / "lookup").encode()
        server.describe(config, folder, kind)  # it keeps the pointers
        found = call("Initialize") or call("ModelInitialize") or call("ModelInstanceInitialize")
        for step in ("ModelInstanceFinalize", "ModelFinalize", "Finalize"):
            assert call(step) is None
        return found

    return run


def test_a_model_is_loaded_on_the_cpu(load):
    assert load(CPU) is None
    assert load(CPU, [{"name": "tensorrt"}]) is None


@pytest.mark.parametrize(
    ("accelerators", "refusal"),
    [
        ([], r"expected CUDA in ONNX Runtime 1\..*libonnxruntime\.so.*, got: .*CUDA execution provider is not enabled"),
        ([{"name": "tensorrt"}], r"expected TensorRT in ONNX Runtime 1\..*, got: .*TensorRT execution provider is not"),
        ([{"name": "xla"}], r'gpu_execution_accelerator: expected cuda or tensorrt, got "xla"'),
        (
            [{"name": "tensorrt", "parameters": {"precision_mode": "FP8"}}],
            r'tensorrt: expected precision_mode FP32, FP16, BF16 or INT8, got "FP8"',
        ),
        (
            [{"name": "tensorrt", "parameters": {"trt_extra_plugin_lib_paths": "/tmp/x.so"}}],
            r"tensorrt: parameter trt_extra_plugin_lib_paths is not supported",
        ),
        (
            [{"name": "tensorrt", "parameters": {"trt_onnx_bytestream": "140000000"}}],
            r"tensorrt: parameter trt_onnx_bytestream is not supported",
        ),
        (
            [{"name": "cuda", "parameters": {"gpu_external_alloc": "1"}}],
            r"cuda: parameter gpu_external_alloc is not supported",
        ),
        (
            [{"name": "cuda", "parameters": {"enable_cuda_graph": "1"}}],
            r'cuda: expected enable_cuda_graph 0 or none, because CUDA graphs need .* fixed addresses .*, got "1"',
        ),
        (
            [{"name": "tensorrt", "parameters": {"trt_cuda_graph_enable": "true"}}],
            r'tensorrt: expected trt_cuda_graph_enable 0 or none, because CUDA graphs need .*, got "true"',
        ),
        (
            [{"name": "cuda", "parameters": {"device_id": "1"}}],
            r"cuda: expected the GPU in instance_group { gpus }, got the parameter device_id",
        ),
        (
            [{"name": "tensorrt", "parameters": {"int8_calibration_table_name": "table.flatbuffers"}}],
            r"tensorrt: parameter int8_calibration_table_name is not supported, .*; for INT8, publish .* quantized",
        ),
    ],
    ids=[
        "no CUDA",
        "no TensorRT",
        "unknown accelerator",
        "unknown precision",
        "code",
        "address",
        "function",
        "graphs of CUDA",
        "graphs of TensorRT",
        "another GPU",
        "calibration table",
    ],
)
def test_a_gpu_that_onnxruntime_cannot_use_is_refused(load, accelerators, refusal):
    text = load(GPU, accelerators)

    assert re.search(refusal, text), text


@pytest.mark.parametrize(("accelerator", "key"), [("cuda", "enable_cuda_graph"), ("tensorrt", "trt_cuda_graph_enable")])
def test_cuda_graphs_that_are_off_are_no_reason_to_refuse(load, accelerator, key):
    text = load(GPU, [{"name": accelerator, "parameters": {key: "0"}}])

    assert re.search(r"execution provider is not enabled", text, re.IGNORECASE), text
