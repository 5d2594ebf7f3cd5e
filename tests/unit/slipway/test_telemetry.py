import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.telemetry import quiet_environment
from slipway.triton import find_program

ROOT = Path(__file__).parents[3]
PRODUCT = ("benchmarks", "loadtest", "rehearsal", "slipway", "training")
PEERS = ROOT / "benchmarks/peers/servers"  # other servers, each in an environment without Slipway
OPEN_A_MODEL = """
from slipway.onnx_runtime import onnxruntime
from onnx import TensorProto, helper
value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value],
                          [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
"""


def test_onnxruntime_is_imported_in_one_place_and_by_the_backend_that_cannot_import_it():
    importing = re.compile(r"^\s*(import|from) onnxruntime\b", re.MULTILINE)
    modules = {
        path.relative_to(ROOT).as_posix()
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*.py")
        if not path.is_relative_to(PEERS) and importing.search(path.read_text())
    }

    assert {"slipway/onnx_runtime.py", "slipway/triton/onnxruntime_backend/model.py"} == modules


def test_a_model_is_opened_without_a_file_in_the_users_home(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": ""}
    subprocess.run([sys.executable, "-B", "-c", OPEN_A_MODEL], env=environment, cwd=ROOT, check=True)

    assert [] == [path for path in tmp_path.rglob("*") if "Microsoft" in path.parts]


@pytest.mark.parametrize("chosen", ["0", "1"])
def test_who_has_set_the_variable_is_not_overruled(monkeypatch, chosen):
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", chosen)

    assert {"ORT_DISABLE_TELEMETRY": chosen} == quiet_environment()


def test_a_server_is_told_too(monkeypatch, tmp_path):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    program = tmp_path / "tritonserver"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    assert "1" == find_program(program).environment["ORT_DISABLE_TELEMETRY"]
