import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from onnx import TensorProto, checker, helper, numpy_helper

from slipway.triton import addresses_from_outside

pytestmark = pytest.mark.triton

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


@pytest.fixture
def busy_repository(tmp_path):
    (tmp_path / "busy" / "1").mkdir(parents=True)
    (tmp_path / "busy" / "config.pbtxt").write_text(BUSY_CONFIG)
    (tmp_path / "busy" / "1" / "model.onnx").write_bytes(busy_model())
    return tmp_path


@contextmanager
def serving(repository, *options):
    """`slipway serve` and the three addresses that it prints."""
    with subprocess.Popen(
        [SLIPWAY, "serve", "--repository", str(repository), *ANY_PORTS, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        try:
            panel = "".join(takewhile(lambda line: line != "Ctrl-C stops it.\n", command.stdout))
            assert panel, command.stderr.read()
            urls = {name: re.search(rf"{name}\s+(\S+)", panel)[1] for name in ("gRPC", "HTTP", "metrics")}
            yield command, panel, urls
        finally:
            command.terminate()


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


def test_sigterm_answers_what_is_in_flight_and_exits_with_zero(busy_repository):
    with (
        serving(busy_repository, "--no-verify") as (command, _, urls),
        triton_grpc.InferenceServerClient(urls["gRPC"].removeprefix("grpc://")) as client,
        ThreadPoolExecutor(2) as pool,
    ):

        def work(rounds):
            tensor = triton_grpc.InferInput("rounds", [1, 1], "INT64")
            tensor.set_data_from_numpy(np.array([[rounds]]))
            return client.infer("busy", [tensor]).as_numpy("done").item()

        answers = [pool.submit(work, 2000), pool.submit(work, 2001)]
        while 'pending_request_count{model="busy",version="1"} 1\n' not in httpx.get(urls["metrics"]).text:
            time.sleep(0.01)
        command.send_signal(signal.SIGTERM)
        command.send_signal(signal.SIGINT)  # one more, as an impatient user would: the drain goes on
        said, complaint = command.communicate()

    assert [2000, 2001] == [answer.result() for answer in answers]
    assert "requests in flight are answered first" in said
    assert (0, "") == (command.returncode, complaint)


def test_panel_names_the_model_and_its_commands_work(published_repository):
    with serving(published_repository, "--model", "mnist") as (command, panel, urls):
        ready = subprocess.run(
            re.search(r"curl -i (\S+)", panel)[0].split(), capture_output=True, text=True, check=True
        )
        metrics = httpx.get(urls["metrics"], trust_env=False).text
        command.send_signal(signal.SIGINT)
        _, complaint = command.communicate()

    assert re.search(r"model +mnist, version 1", panel)
    assert f"slipway predict digit.png --url {urls['gRPC']} --model mnist" in panel
    assert ready.stdout.startswith("HTTP/1.1 200")
    assert "nv_inference_request_success" in metrics
    assert (0, "") == (command.returncode, complaint)


def test_the_key_is_printed_on_request_and_opens_what_is_closed(published_repository):
    with serving(published_repository, "--print-admin-key") as (_, panel, urls):
        name, value = re.search(r"HTTP header: (\S+): (\S+)", panel).groups()
        grpc_name, grpc_value = re.search(r"gRPC metadata: (\S+): (\S+)", panel).groups()
        with httpx.Client(base_url=urls["HTTP"], trust_env=False) as client:
            answers = [client.get("/v2/logging", headers=headers).status_code for headers in ({}, {name: value})]
        with triton_grpc.InferenceServerClient(urls["gRPC"].removeprefix("grpc://")) as client:
            index = client.get_model_repository_index(headers={grpc_name: grpc_value})

    assert [403, 200] == answers
    assert ["mnist"] == [model.name for model in index.models]


def test_a_server_for_every_interface_says_who_reaches_it_and_keeps_its_key_to_itself(published_repository):
    addresses = addresses_from_outside("0.0.0.0")
    with serving(published_repository, "--address", "0.0.0.0") as (command, panel, urls):
        command.send_signal(signal.SIGTERM)
        said, complaint = command.communicate()

    assert urls["HTTP"].startswith("http://127.0.0.1:")
    assert bool(addresses) == complaint.startswith("warning: other machines can reach this server at ")
    assert all(address in complaint for address in addresses)
    assert "admin" not in panel + said + complaint


def test_a_server_that_dies_ends_the_command_with_its_reason(published_repository):
    with serving(published_repository) as (command, _, _):
        os.kill(child_of(command.pid), signal.SIGKILL)
        _, complaint = command.communicate()

    assert complaint.startswith("error: tritonserver was killed by SIGKILL ")
    assert 1 == command.returncode


def test_a_changed_file_is_not_served(own_repository):
    with (own_repository / "mnist" / "1" / "model.onnx").open("r+b") as model:
        model.seek(100)
        model.write(b"!")
    result = refused(own_repository)

    assert 1 == result.returncode
    assert re.match(r"error: .*model\.onnx", result.stderr)


def test_a_taken_port_is_one_line_and_exit_code_1(published_repository):
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = somebody.getsockname()[1]
        result = refused(published_repository, *ANY_PORTS, "--http-port", str(taken))

    assert 1 == result.returncode
    assert result.stderr.startswith(f"error: http port {taken} on 127.0.0.1 is taken: choose another")
    assert 1 == result.stderr.count("\n")


def test_nothing_published_says_what_publishes(tmp_path):
    result = refused(tmp_path)

    assert (1, "") == (result.returncode, result.stdout)
    assert f"error: no model in {tmp_path} has a published version; `slipway train` publishes one\n" == result.stderr


def test_print_command_starts_nothing(published_repository):
    result = refused(published_repository, "--print-command", "--http-port", "8123")

    assert 0 == result.returncode
    assert "--http-port=8123" in result.stdout
    assert result.stdout.startswith("env ")
