"""Random requests to both of our backends and to ONNX Runtime itself: the same bytes, and the same ones fail."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException

from slipway.triton import ServerSettings, TritonServer
from tests.integration.native_server import native_server
from tests.integration.onnx_models import DTYPES, arithmetic, broken_promise, identity, lookup, positions, row_sums

pytestmark = pytest.mark.triton

REQUESTS = 200
CALLERS = 8
CAN_FAIL = ("lookup", "arithmetic")
# The Python backend has no tensors of strings with numpy 2, and Triton gives it no empty ones.
MODELS = {
    model.name: model
    for model in (
        *(identity(dtype) for dtype in DTYPES if dtype != "BYTES"),
        identity("FP64", batched=False),
        arithmetic(),
        lookup(),
        positions(),
        row_sums(),
        broken_promise(),
    )
}
NATIVE_ONLY = {model.name: model for model in (identity("BYTES"), identity("BYTES", batched=False))}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for model in (*MODELS.values(), *NATIVE_ONLY.values()):
        model.write(root)
    return root


@pytest.fixture(scope="module")
def native(repository):
    with native_server(repository) as server:
        yield server


@pytest.fixture(scope="module")
def python(repository):
    settings = ServerSettings(repository=repository, models=tuple(MODELS), verify=False, backend="python")
    with TritonServer(settings) as server:
        yield server


@pytest.fixture(scope="module")
def in_process(repository):
    """ONNX Runtime in this process: a request's inputs to its outputs, or None where it refuses."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    sessions = {
        name: onnxruntime.InferenceSession(repository / name / "1" / "model.onnx", options, ["CPUExecutionProvider"])
        for name in (*MODELS, *NATIVE_ONLY)
    }

    def run(name, inputs):
        outputs = [tensor.name for tensor in sessions[name].get_outputs()]
        try:
            return dict(zip(outputs, sessions[name].run(outputs, inputs), strict=True))
        except Exception:  # noqa: BLE001 - onnxruntime's exceptions share no base class
            return None

    return run


def random_array(choose, dtype, shape):
    if dtype == "BYTES":
        # numpy.random has no strings. A string may be empty, hold a zero byte, and any letter.
        letters = "aé中🙂\0"
        array = np.empty(shape, np.object_)
        array.ravel()[:] = ["".join(choose.choices(letters, k=choose.randrange(6))) for _ in range(array.size)]
        return array
    bits = np.random.default_rng(choose.randrange(2**32)).integers(0, 256, (*shape, 8), dtype=np.uint8)
    if dtype == "BOOL":
        return bits[..., 0] % 2 == 1
    return bits.view(DTYPES[dtype])[..., 0]


def random_inputs(choose, model, dims):
    rows = [choose.choice((1, 1, 1, 2, 3, 8))] if model.max_batch_size else []
    inputs = {}
    for tensor in model.inputs:
        own = [axis if isinstance(axis, int) else dims[axis] for axis in tensor.axes[len(rows) :]]
        inputs[tensor.name] = random_array(choose, tensor.dtype, (*rows, *own))
    if model.name == "lookup":
        inputs["index"] = inputs["index"] % choose.choice((10, 10, 10, 12))
    if model.name == "arithmetic" and choose.random() < 0.2:  # no sum of two and three columns
        inputs["a"] = random_array(choose, "INT32", (*rows, 2))
        inputs["b"] = random_array(choose, "INT32", (*rows, 3))
    return inputs


def random_requests(choose, models, *, lengths=(1, 2, 3, 7)):
    """In bursts for one model, most of them of a shape that can share a batch."""
    requests = []
    while len(requests) < REQUESTS:
        (model,) = choose.choices(list(models.values()), [5 if name in CAN_FAIL else 1 for name in models])
        dims = {}
        for _ in range(choose.randrange(2 * CALLERS)):
            if not dims or choose.random() < 0.1:
                dims = {axis: choose.choice(lengths) for tensor in model.inputs for axis in tensor.axes}
            requests.append((model, random_inputs(choose, model, dims)))
    return requests


def ask(client, model, inputs, *, binary=True):
    """The outputs of one request, or the text of its refusal."""
    module = triton_http if isinstance(client, triton_http.InferenceServerClient) else triton_grpc
    options = {} if module is triton_grpc else {"binary_data": binary}
    tensors = []
    for tensor in model.inputs:
        array = inputs[tensor.name]
        tensors.append(module.InferInput(tensor.name, list(array.shape), tensor.dtype))
        tensors[-1].set_data_from_numpy(array, **options)
    outputs = [module.InferRequestedOutput(tensor.name, **options) for tensor in model.outputs]
    try:
        answer = client.infer(model.name, tensors, outputs=outputs)
    except InferenceServerException as exc:
        return exc.message()
    return {tensor.name: answer.as_numpy(tensor.name) for tensor in model.outputs}


def answers(server, requests):
    """Of all requests, in their order; some share a batch, by both protocols."""
    opened = []
    local = threading.local()  # gevent, inside the client for HTTP, stays in one thread

    def connect():
        local.http = triton_http.InferenceServerClient(server.http_url.removeprefix("http://"))
        opened.append(local.http)

    def call(turn):
        number, request = turn
        return ask(local.http if number % 3 == 0 else grpc, *request)

    with (
        triton_grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as grpc,
        ThreadPoolExecutor(CALLERS, initializer=connect) as pool,
    ):
        found = list(pool.map(call, enumerate(requests)))
    for client in opened:
        client.close()
    return found


def assert_same(expected, answer, request):
    model, inputs = request
    if expected is None:
        assert isinstance(answer, str), (model.name, inputs, answer)
        return
    assert isinstance(answer, dict), (model.name, inputs, answer)
    assert set(expected) == set(answer)
    for name, found in expected.items():
        array = found[:, np.newaxis] if model.name == "row_sums" else found
        if array.dtype == np.object_:
            assert array.shape == answer[name].shape
            assert [text.encode() for text in array.ravel()] == list(answer[name].ravel())
        else:
            assert (array.dtype, array.shape) == (answer[name].dtype, answer[name].shape), (model.name, name)
            assert array.tobytes() == answer[name].tobytes(), (model.name, name)


@pytest.mark.parametrize("seed", [1, 2])
def test_both_backends_answer_what_onnxruntime_answers(native, python, in_process, seed):
    choose = random.Random(seed)
    requests = random_requests(choose, MODELS)
    expected = [in_process(model.name, inputs) for model, inputs in requests]
    by_native, by_python = answers(native, requests), answers(python, requests)

    assert None in expected
    for request, outputs, one, other in zip(requests, expected, by_native, by_python, strict=True):
        assert_same(outputs, one, request)
        assert_same(outputs, other, request)


@pytest.mark.parametrize("models", [NATIVE_ONLY, MODELS], ids=["strings", "others"])
def test_the_native_backend_takes_strings_and_empty_tensors(native, in_process, models):
    choose = random.Random(3)
    requests = random_requests(choose, models, lengths=(0, 0, 1, 5))

    for request, answer in zip(requests, answers(native, requests), strict=True):
        assert_same(in_process(request[0].name, request[1]), answer, request)


def counters(server):
    """By model: requests that succeeded and failed, rows that were answered, rows of all batches; and the runs."""
    with triton_grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        models = client.get_inference_statistics().model_stats
    return {
        model.name: (
            model.inference_stats.success.count,
            model.inference_stats.fail.count,
            model.inference_count,
            sum(batch.batch_size * batch.compute_infer.count for batch in model.batch_stats),
        )
        for model in models
    }, sum(model.execution_count for model in models)


def settled(server):
    """Triton counts a request after it has answered it."""
    before, now = None, counters(server)
    while before != now:
        time.sleep(0.3)
        before, now = now, counters(server)
    return now


def rows_of(model, inputs):
    return len(next(iter(inputs.values()))) if model.max_batch_size else 1


def test_triton_counts_what_the_client_counts(native):
    requests = random_requests(random.Random(4), MODELS)
    before, runs_before = settled(native)
    outcomes = answers(native, requests)
    after, runs_after = settled(native)
    expected = {name: np.zeros(4, int) for name in before}
    for (model, inputs), answer in zip(requests, outcomes, strict=True):
        rows, failed = rows_of(model, inputs), isinstance(answer, str)
        expected[model.name] += (not failed, failed, 0 if failed else rows, rows)

    assert {name: tuple(counts) for name, counts in expected.items()} == {
        name: tuple(np.subtract(after[name], before[name])) for name in before
    }
    assert runs_after - runs_before < len(requests)
