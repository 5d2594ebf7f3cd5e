"""What the native backend cannot serve: refused when it is loaded, in one line that says what was expected."""

import dataclasses
import re
import subprocess

import httpx
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from slipway.triton import ServerDied, ServerSettings, TritonServer
from tests.integration.native_server import native_server
from tests.integration.onnx_models import Model, Tensor, lookup

pytestmark = pytest.mark.triton

NO_OPERATOR = (helper.make_node("Nonsense", ["in", "weights"], ["out"]),)
ACCELERATOR = 'optimization { execution_accelerators { cpu_execution_accelerator { name: "openvino" } } }'


WEIGHTS = numpy_helper.from_array(np.ones(4, np.float32), "weights")


def add(*, axes=("batch", 4), initializers=(WEIGHTS,), **changes):
    """`out = in + weights`."""
    model = Model(
        name="add",
        nodes=(helper.make_node("Add", ["in", "weights"], ["out"]),),
        inputs=(Tensor(name="in", dtype="FP32", dims=(4,), axes=axes),),
        outputs=(Tensor(name="out", dtype="FP32", dims=(4,), axes=axes),),
        initializers=initializers,
    )
    return dataclasses.replace(model, **changes)


def parameter(key, value):
    return add(extra=f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}')


def weights_in(location):
    """A file that has its weights in another one."""
    weights = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        weights.external_data.add(key=key, value=value)
    return {"file": add(initializers=(weights,)).onnx(check=False)}


def configured(old, new):
    """A configuration that fits the file no more."""
    return {"config": add().config().replace(old, new)}


def made(model):
    return {"file": model.onnx(check=False), "config": model.config()}


REFUSED = {
    "no ONNX": ({"file": b"no"}, r"/1/model\.onnx cannot be loaded: INVALID_PROTOBUF: "),
    "truncated": ({"file": add().onnx()[:-20]}, r"/1/model\.onnx cannot be loaded: INVALID_PROTOBUF: "),
    "unknown operator": (made(add(nodes=NO_OPERATOR)), r"cannot be loaded: .*Nonsense"),
    "unknown opset": (made(add(opset=99)), r"cannot be loaded: .*[Oo]pset 99"),
    "data above the folder": (weights_in("../secret.bin"), r"cannot be loaded: .*escapes model directory"),
    "data anywhere": (weights_in("/etc/passwd"), r"cannot be loaded: .*Absolute path not allowed"),
    "data that is missing": (weights_in("none.bin"), r"cannot be loaded: .*does not exist"),
    "other input": (
        configured('"in"', '"image"'),
        r"model\.onnx: expected inputs \[image\] as in config\.pbtxt, got \[in\]",
    ),
    "other output": (
        configured('"out"', '"probabilities"'),
        r"model\.onnx: expected outputs \[probabilities\] as in config\.pbtxt, got \[out\]",
    ),
    "one output more": (
        configured("dynamic_batching", 'output { name: "more" data_type: TYPE_FP32 dims: 1 } dynamic_batching'),
        r"expected outputs \[out, more\] as in config\.pbtxt, got \[out\]",
    ),
    "other dtype": (
        configured("TYPE_FP32", "TYPE_INT8"),
        r'input "in": expected TYPE_INT8 \[-1, 4\] as in config\.pbtxt, got TYPE_FP32 \[-1, 4\]',
    ),
    "other shape": (
        configured('"out" data_type: TYPE_FP32 dims: [ 4 ]', '"out" data_type: TYPE_FP32 dims: [ 5 ]'),
        r'output "out": expected TYPE_FP32 \[-1, 5\] as in config\.pbtxt, got TYPE_FP32 \[-1, 4\]',
    ),
    "other rank": (
        configured("[ 4 ]", "[ 4, 1 ]"),
        r'input "in": expected TYPE_FP32 \[-1, 4, 1\] as in config\.pbtxt, got TYPE_FP32 \[-1, 4\]',
    ),
    "no batch": (
        made(add(axes=(1, 4))),
        r'input "in": expected TYPE_FP32 \[-1, 4\] as in config\.pbtxt, got TYPE_FP32 \[1, 4\]',
    ),
    "element type of ONNX alone": (
        {
            "file": add(
                nodes=(helper.make_node("Cast", ["in"], ["out"], to=TensorProto.FLOAT8E4M3FN),),
                outputs=(Tensor(name="out", dtype="FLOAT8E4M3FN", dims=(4,), axes=("batch", 4)),),
                initializers=(),
                opset=19,
            ).onnx(check=False)
        },
        r'output "out": expected a type that Triton has, got element type 17 of ONNX',
    ),
    "threads": (
        made(parameter("inter_op_thread_count", "many")),
        r'parameter inter_op_thread_count: expected a whole number from 0, got "many"',
    ),
    "optimization": (
        made(parameter("graph_optimization_level", "most")),
        r'parameter graph_optimization_level: expected disable, basic, extended or all, got "most"',
    ),
    "simulated time": (
        made(parameter("simulated_batch_ms", "-1")),
        r'parameter simulated_batch_ms: expected milliseconds between 0 and 3600000, got "-1"',
    ),
    "accelerator": (made(add(extra=ACCELERATOR)), r'cpu_execution_accelerator: expected none, got "openvino"'),
}
NAMES = {case: case.lower().replace(" ", "_") for case in REFUSED}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Runs a good model, and would load the others."""
    root = tmp_path_factory.mktemp("refused")
    lookup().write(root)
    for case, (files, _) in REFUSED.items():
        model = add(name=NAMES[case])
        named = {
            name: content if name == "file" else content.replace('"add"', f'"{model.name}"')
            for name, content in files.items()
        }
        model.write(root, **named)
    options = {"models": ("lookup",), "loadable": tuple(NAMES.values()), "restrict_admin_apis": False}
    with native_server(root, **options) as running:
        yield running


@pytest.mark.parametrize("case", REFUSED)
def test_a_model_that_cannot_be_served_is_refused_in_one_line(server, case):
    url = f"{server.http_url}/v2/repository/models/{NAMES[case]}/load"
    answer = httpx.post(url, trust_env=False, timeout=60)
    index = httpx.post(f"{server.http_url}/v2/repository/index", json={}, trust_env=False).json()
    reason = next(model["reason"] for model in index if model["name"] == NAMES[case])

    assert 400 == answer.status_code
    assert re.search(REFUSED[case][1], reason), reason
    assert "\n" not in reason.rstrip("\n")
    assert server.poll() is None


FAKE_LIBRARY = """
const void *get_api(unsigned version) { (void)version; return 0; }
const char *get_version(void) { return "1.17.0"; }
static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = {get_api, get_version};
const void *OrtGetApiBase(void) { return &base; }
"""


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (FAKE_LIBRARY, r"expected ONNX Runtime 1\.24 or later in SLIPWAY_ONNXRUNTIME_LIBRARY, got 1\.17\.0: /"),
        ("int nothing;", r"got /\S+other\.so, which has no OrtGetApiBase"),
        (
            None,
            r"expected ONNX Runtime's library in SLIPWAY_ONNXRUNTIME_LIBRARY: /\S+other\.so: (file too short|invalid)",
        ),
    ],
    ids=["too old", "of something else", "no library"],
)
def test_another_library_than_onnxruntime_is_named(tmp_path, monkeypatch, source, reason):
    library = tmp_path / "other.so"
    if source is None:
        library.write_bytes(b"no")
    else:
        (tmp_path / "other.c").write_text(source)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "other.c"], check=True)
    lookup().write(tmp_path / "models")
    monkeypatch.setenv("SLIPWAY_ONNXRUNTIME_LIBRARY", str(library))
    with pytest.raises(ServerDied, match=reason):
        TritonServer(ServerSettings(repository=tmp_path / "models", verify=False, backend="native")).start()
