"""Clients that cancel, break off and send half of a request: the server lives, memory stays, counters are right.

SLIPWAY_TEST_REQUESTS is how many requests; `make test-native-load` sends 10,000 by each protocol.
"""

import json
import os
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc

from tests.integration.native_server import LIBRARY, native_server
from tests.integration.onnx_models import lookup
from tests.waiting import eventually

pytestmark = pytest.mark.triton

REQUESTS = int(os.environ.get("SLIPWAY_TEST_REQUESTS", "600"))
CALLERS = 8
GROWTH_KB = 8192  # a leak of one request's response, 1 KB, shows in 10,000; the allocator's caches do not
RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def server(tmp_path, log):
    lookup().write(tmp_path / "models")
    # A cancelled call may keep its front end from ending.
    with native_server(tmp_path / "models", log_file=log, exit_timeout_s=1) as running:
        yield running


def random_index(choose):
    return choose.randrange(12)  # the table has ten rows


def break_off(server, choose):
    """By HTTP: a whole request or a part, an answer that is read or not, a connection that is closed or reset."""
    tensor = {"name": "index", "datatype": "INT64", "shape": [1, 1], "data": [random_index(choose)]}
    body = json.dumps({"inputs": [tensor]}).encode()
    head = f"POST /v2/models/lookup/infer HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    sent = choose.choice((len(request), choose.randrange(len(request))))
    host, port = server.http_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request[:sent])
        if sent == len(request) and choose.random() < 0.5:
            return Counter([_outcome_of(connection.recv(4096))])
        time.sleep(choose.choice((0, 0.001, 0.003)))
        if choose.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return Counter(["whole" if sent == len(request) else "part"])


def _outcome_of(answer):
    status = int(re.match(rb"HTTP/1\.1 (\d+)", answer)[1])
    return {200: "success", 500: "failure"}[status]


def cancel(client, choose):
    """By gRPC: half of the calls are cancelled at some time."""
    tensor = triton_grpc.InferInput("index", [1, 1], "INT64")
    tensor.set_data_from_numpy(np.array([[random_index(choose)]]))
    ended = threading.Event()
    outcomes = Counter()

    def end(result, error):  # noqa: ARG001 - the client gives both
        outcomes["success" if error is None else "cancelled" if "cancelled" in str(error).lower() else "failure"] += 1
        ended.set()

    call = client.async_infer("lookup", [tensor], callback=end)
    if choose.random() < 0.5:
        time.sleep(choose.choice((0, 0.001, 0.002, 0.003)))
        call.cancel()
    assert ended.wait(30)
    return outcomes


def counters(server):
    """Of Triton: its requests by outcome, with those that wait."""
    text = httpx.get(server.metrics_url, trust_env=False).raise_for_status().text
    found = re.findall(
        r'^nv_inference_(\w+)\{model="lookup",(?:reason="(\w+)",)?version="1"\} (\d+)$', text, re.MULTILINE
    )
    return {reason or name: int(value) for name, reason, value in found}


def settled(server):
    """Triton counts a request after it has answered it."""
    before, now = None, counters(server)
    while before != now or now["pending_request_count"]:
        time.sleep(0.2)
        before, now = now, counters(server)
    return now


def resident_kb(server):
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])


def send_all(act, count):
    with ThreadPoolExecutor(CALLERS) as pool:
        outcomes = pool.map(lambda seed: act(random.Random(seed)), range(count))
        return sum(outcomes, Counter())


def refuse_death(server, log):
    """The gRPC front end of tritonserver 2.51 can die of a cancellation, whatever backend it has."""
    code = server.poll()
    if code is not None and LIBRARY not in log.read_text().partition("Signal")[2]:
        pytest.xfail(f"tritonserver's front end died of a cancelled call, with code {code}")

    assert code is None


def act(server, protocol, log):
    """Let clients break off, twice: what Triton counted and they saw, and how much the server grew the second time."""
    with triton_grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        one = partial(break_off, server) if protocol == "http" else partial(cancel, client)
        first = send_all(one, REQUESTS)
        refuse_death(server, log)
        before_kb = resident_kb(server)
        second = send_all(one, REQUESTS)
    try:
        counted = settled(server)
    except httpx.TransportError:
        eventually(lambda: server.poll() is not None)
    refuse_death(server, log)
    return counted, first + second, resident_kb(server) - before_kb


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_clients_that_break_off_leave_nothing_behind(server, protocol, log):
    counted, seen, growth_kb = act(server, protocol, log)
    unknown = seen["whole"] + seen["cancelled"]  # whether Triton had begun with them

    assert seen["success"] <= counted["request_success"] <= seen["success"] + unknown
    assert seen["failure"] <= counted["BACKEND"] <= seen["failure"] + unknown
    assert counted["request_success"] + counted["BACKEND"] + counted["CANCELED"] <= seen.total() - seen["part"]
    assert counted["request_success"] == counted["count"]
    assert 0 == counted["REJECTED"] == counted["OTHER"]
    assert growth_kb < GROWTH_KB
