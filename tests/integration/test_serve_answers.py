import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException

from slipway.triton import ServedModel, ServerSettings, TritonServer

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module", params=["native", "python"])
def triton_server(request, native_is_here, published_repository):
    """Each with one of our backends."""
    if request.param == "native" and not native_is_here:
        pytest.skip("no native backend can be compiled here")
    with TritonServer(ServerSettings(repository=published_repository, backend=request.param)) as server:
        yield server


@pytest.fixture
def grpc_client(triton_server):
    with triton_grpc.InferenceServerClient(triton_server.grpc_url.removeprefix("grpc://")) as client:
        yield client


@pytest.fixture
def http_client(triton_server):
    with httpx.Client(base_url=triton_server.http_url, trust_env=False) as client:
        yield client


def ask(client, images, *, model="mnist", datatype="UINT8"):
    tensor = triton_grpc.InferInput("image", list(images.shape), datatype)
    tensor.set_data_from_numpy(images)
    return client.infer(model, [tensor]).as_numpy("probabilities")


def counters(client):
    (statistics,) = client.get_inference_statistics("mnist").model_stats
    return statistics.inference_stats.success.count, statistics.execution_count


def settled(read):
    """What a counter says once it stands still: Triton counts a request after it has answered it."""
    value = read()
    while True:
        time.sleep(0.3)
        before, value = value, read()
        if before == value:
            return value


def test_server_says_what_it_serves(triton_server):
    assert (ServedModel(name="mnist", versions=(1,)),) == triton_server.models()
    assert triton_server.poll() is None


@pytest.mark.parametrize("count", [1, 2, 16])
def test_grpc_answers_what_onnxruntime_answers(grpc_client, in_process, random_images, count):
    images = random_images(count)

    np.testing.assert_allclose(ask(grpc_client, images), in_process(images), atol=1e-6)


def test_http_with_json_answers_what_onnxruntime_answers(http_client, in_process, random_images):
    images = random_images(3)
    tensor = {"name": "image", "datatype": "UINT8", "shape": list(images.shape), "data": images.ravel().tolist()}
    answer = http_client.post("/v2/models/mnist/infer", json={"inputs": [tensor]}).raise_for_status().json()
    (output,) = answer["outputs"]

    assert ("probabilities", "FP32", [3, 10]) == (output["name"], output["datatype"], output["shape"])
    np.testing.assert_allclose(np.reshape(output["data"], (3, 10)), in_process(images), atol=1e-6)


def test_http_with_binary_tensors_answers_what_onnxruntime_answers(http_client, in_process, random_images):
    images = random_images(3)
    tensor = {
        "name": "image",
        "datatype": "UINT8",
        "shape": list(images.shape),
        "parameters": {"binary_data_size": images.nbytes},
    }
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    answer = http_client.post(
        "/v2/models/mnist/infer",
        content=header + images.tobytes(),
        headers={"Inference-Header-Content-Length": str(len(header))},
    ).raise_for_status()
    body = answer.content[int(answer.headers["Inference-Header-Content-Length"]) :]

    np.testing.assert_allclose(np.frombuffer(body, np.float32).reshape(3, 10), in_process(images), atol=1e-6)


def test_requests_that_share_a_batch_each_get_their_own_rows(grpc_client, in_process, random_images):
    callers, rounds = 12, 8
    before_requests, before_runs = settled(lambda: counters(grpc_client))
    start = threading.Barrier(callers)
    batches = [[random_images(1 + (caller + turn) % 3) for turn in range(rounds)] for caller in range(callers)]

    def call(own):
        start.wait()
        return [ask(grpc_client, images) for images in own]

    with ThreadPoolExecutor(callers) as pool:
        answers = list(pool.map(call, batches))
    requests, runs = settled(lambda: counters(grpc_client))

    for own_images, own_answers in zip(batches, answers, strict=True):
        for images, answer in zip(own_images, own_answers, strict=True):
            np.testing.assert_allclose(answer, in_process(images), atol=1e-6)
    assert callers * rounds == requests - before_requests
    assert runs - before_runs < requests - before_requests


@pytest.mark.parametrize(
    ("wrong", "datatype"),
    [
        (np.zeros((1, 14, 14, 1), np.uint8), "UINT8"),
        (np.zeros((17, 28, 28, 1), np.uint8), "UINT8"),
        (np.zeros((1, 28, 28, 1), np.float32), "FP32"),
    ],
    ids=["wrong shape", "batch too large", "wrong dtype"],
)
def test_a_wrong_request_is_refused_and_the_server_lives(grpc_client, in_process, random_images, wrong, datatype):
    with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT"):
        ask(grpc_client, wrong, datatype=datatype)
    images = random_images(2)

    np.testing.assert_allclose(ask(grpc_client, images), in_process(images), atol=1e-6)


def test_metrics_count_the_requests_of_the_model(triton_server, grpc_client, random_images):
    def successes():
        text = httpx.get(triton_server.metrics_url, trust_env=False).raise_for_status().text
        prefix = 'nv_inference_request_success{model="mnist",version="1"}'
        return next(int(line.split()[-1]) for line in text.splitlines() if line.startswith(prefix))

    before = settled(successes)
    ask(grpc_client, random_images(1))

    assert before + 1 == settled(successes)
