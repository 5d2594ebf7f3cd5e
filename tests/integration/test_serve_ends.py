"""How `slipway serve` ends: promptly, without loss, and with nothing left behind."""

import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc

from tests.children import started
from tests.integration.serve_command import ANY_PORTS, BUSY_CONFIG, SLIPWAY, busy_model, child_of, serving
from tests.integration.server_processes import group_of, shared_memory_of
from tests.waiting import eventually

pytestmark = pytest.mark.triton

LONGER_THAN_A_TEST_S = "600"
INTERRUPTED = 130


@pytest.fixture
def busy_repository(tmp_path):
    (tmp_path / "busy" / "1").mkdir(parents=True)
    (tmp_path / "busy" / "config.pbtxt").write_text(BUSY_CONFIG)
    (tmp_path / "busy" / "1" / "model.onnx").write_bytes(busy_model())
    return tmp_path


def work_over_http(client, rounds):
    tensor = {"name": "rounds", "datatype": "INT64", "shape": [1, 1], "data": [rounds]}
    answer = client.post("/v2/models/busy/infer", json={"inputs": [tensor]}, timeout=120).raise_for_status()
    return answer.json()["outputs"][0]["data"]


def is_waiting(urls):
    return 'pending_request_count{model="busy",version="1"} 1\n' in httpx.get(urls["metrics"], trust_env=False).text


@pytest.mark.usefixtures("backend")
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
        while not is_waiting(urls):
            time.sleep(0.01)
        command.send_signal(signal.SIGTERM)
        command.send_signal(signal.SIGINT)  # one more, as an impatient user would: the drain goes on
        said, complaint = command.communicate()

    assert [2000, 2001] == [answer.result() for answer in answers]
    assert "requests in flight are answered first" in said
    assert (0, "") == (command.returncode, complaint)


@pytest.mark.usefixtures("backend")
def test_an_idle_connection_does_not_keep_the_command_and_a_busy_one_gets_its_answer(busy_repository):
    with (
        serving(busy_repository, "--no-verify", "--exit-timeout-s", LONGER_THAN_A_TEST_S) as (command, _, urls),
        httpx.Client(base_url=urls["HTTP"], trust_env=False) as idle,
        httpx.Client(base_url=urls["HTTP"], trust_env=False) as busy,
        ThreadPoolExecutor(2) as pool,
    ):
        idle.get("/v2/health/live")
        answers = [pool.submit(work_over_http, busy, rounds) for rounds in (4000, 4001)]
        eventually(lambda: is_waiting(urls))
        command.send_signal(signal.SIGINT)
        _, complaint = command.communicate(timeout=120)

    assert [[4000], [4001]] == [answer.result() for answer in answers]
    assert (0, "") == (command.returncode, complaint)


@pytest.mark.usefixtures("backend")
def test_a_second_ctrl_c_ends_at_once(busy_repository, tmp_path):
    with (
        serving(
            busy_repository, "--no-verify", "--exit-timeout-s", LONGER_THAN_A_TEST_S, SLIPWAY_CACHE=str(tmp_path / "c")
        ) as (command, _, urls),
        httpx.Client(base_url=urls["HTTP"], trust_env=False) as busy,
        ThreadPoolExecutor(2) as pool,
    ):
        pid = child_of(command.pid)
        group = group_of(pid)
        answers = [pool.submit(work_over_http, busy, 10**9) for _ in range(2)]
        eventually(lambda: is_waiting(urls))
        command.send_signal(signal.SIGINT)
        time.sleep(1)  # two that arrive together are one
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=60)

    assert INTERRUPTED == command.returncode
    assert all(isinstance(answer.exception(), httpx.TransportError) for answer in answers)
    assert {} == group_of(pid)
    assert [] == [region for region in shared_memory_of(group) if region.exists()]
    assert [] == list((tmp_path / "c" / "servers").iterdir())


@pytest.mark.usefixtures("python_backend")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_start_that_is_interrupted_leaves_nothing(published_repository, tmp_path, number):
    servers = tmp_path / "servers"
    with started(
        *(SLIPWAY, "serve", "--repository", published_repository, *ANY_PORTS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SLIPWAY_CACHE": str(tmp_path)},
    ) as command:

        def regions():
            return [path for run in servers.glob("slipway-*") for path in Path("/dev/shm").glob(f"{run.name}-*")]

        eventually(regions)
        (run,) = servers.glob("slipway-*")
        pid = child_of(command.pid)
        command.send_signal(number)
        said, complaint = command.communicate(timeout=60)

    assert b"ready" not in said
    assert (0, b"") == (command.returncode, complaint)
    assert {} == group_of(pid)
    assert [] == list(Path("/dev/shm").glob(f"{run.name}-*"))
    assert [] == list(servers.iterdir())


def test_what_a_killed_command_and_server_left_is_removed_at_the_next_start(published_repository, tmp_path, backend):
    with serving(published_repository, SLIPWAY_CACHE=str(tmp_path)) as (command, _, _):
        (abandoned,) = (tmp_path / "servers").glob("slipway-*")
        pid = child_of(command.pid)
        members = group_of(pid)
        os.kill(command.pid, signal.SIGKILL)
        os.killpg(pid, signal.SIGKILL)
    eventually(lambda: not group_of(pid))
    left = [region for region in shared_memory_of(members) if region.exists()]
    with serving(published_repository, SLIPWAY_CACHE=str(tmp_path)):
        now = list((tmp_path / "servers").iterdir())

    assert (backend == "python") == bool(left)
    assert abandoned not in now
    assert 1 == len(now)
    assert [] == [region for region in left if region.exists()]


def test_a_server_that_lives_keeps_its_folder_when_another_starts(published_repository, tmp_path):
    with serving(published_repository, SLIPWAY_CACHE=str(tmp_path)):
        (first,) = (tmp_path / "servers").iterdir()
        with serving(published_repository, SLIPWAY_CACHE=str(tmp_path)):
            both = list((tmp_path / "servers").iterdir())

    assert first in both
    assert 2 == len(both)


def test_a_connection_that_never_sends_a_request_does_not_keep_the_command(published_repository):
    with serving(published_repository, "--exit-timeout-s", LONGER_THAN_A_TEST_S) as (command, _, urls):
        address = urlsplit(urls["HTTP"])
        with socket.create_connection((address.hostname, address.port)):
            command.send_signal(signal.SIGTERM)
            _, complaint = command.communicate(timeout=60)

    assert (0, "") == (command.returncode, complaint)
