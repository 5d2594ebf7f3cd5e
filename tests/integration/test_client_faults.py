"""What a real tritonserver says when things go wrong, and the error that the client makes of it.

This pins the tables of `slipway.client._transport_failures`: they were read in Triton's sources, and texts change.
"""

import dataclasses
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import numpy as np
import pytest

from slipway.client import (
    Classifier,
    ClientError,
    DeadlineExceeded,
    InvalidRequest,
    ModelLoadFailed,
    ModelNotFound,
    ModelNotReady,
    RetryPolicy,
    ServerDraining,
    ServerOverloaded,
    ServerUnavailable,
    Unauthenticated,
)
from slipway.contract import ModelContract
from slipway.model_config import ServingProfile, render_config
from slipway.triton import ServerSettings, TritonServer

pytestmark = pytest.mark.triton

ONCE = RetryPolicy(max_attempts=1)
CONTRACT = ModelContract(name="mnist", image_shape=(28, 28, 1), labels=tuple("0123456789"), max_batch_size=16)


def slow_classifier():
    """ONNX that multiplies matrices for a few tenths of a second, whatever the batch, before it answers."""
    from onnx import TensorProto, helper, numpy_helper

    def constant(name, value):
        return numpy_helper.from_array(np.asarray(value), name)

    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["pixels"], ["brightest"], keepdims=0),
        helper.make_node("Expand", ["brightest", "square"], ["work0"]),
        *(helper.make_node("MatMul", [f"work{i}", f"work{i}"], [f"work{i + 1}"]) for i in range(6)),
        helper.make_node("ReduceMin", ["work6"], ["least"], keepdims=0),
        helper.make_node("Mul", ["least", "nothing"], ["zero"]),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Expand", ["mean", "row"], ["means"]),
        helper.make_node("Add", ["means", "zero"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 28, 28, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        [constant("square", [1024, 1024]), constant("row", [1, 10]), constant("nothing", np.float32(0))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def add_model(root, name, model, *, batching="dynamic_batching {\n}\n"):
    """Put a model into a repository by hand, with one instance and no warm-up."""
    text = render_config(dataclasses.replace(CONTRACT, name=name), ServingProfile(accelerator="cpu", instances=1))
    text = text[: text.index("model_warmup")] + 'backend: "onnxruntime"\n'
    (root / name / "1").mkdir(parents=True)
    (root / name / "labels.txt").write_text("\n".join(CONTRACT.labels))
    (root / name / "config.pbtxt").write_text(text.replace("dynamic_batching {\n}\n", batching))
    (root / name / "1" / "model.onnx").write_bytes(model)


@pytest.fixture(scope="module")
def server(published_repository, tmp_path_factory):
    """A tritonserver with the published model and others that are slow, strict, broken or not loaded."""
    root = tmp_path_factory.mktemp("faults")
    published = (published_repository / "mnist" / "1" / "model.onnx").read_bytes()
    for name in ("mnist", "idle"):
        add_model(root, name, published)
    add_model(root, "broken", b"this is no ONNX")
    add_model(root, "slow", slow_classifier())
    policy = "default_queue_policy { max_queue_size: 1 default_timeout_microseconds: 20000 }"
    add_model(root, "strict", slow_classifier(), batching=f"dynamic_batching {{ {policy} }}\n")
    # As the official image is, and unlike what `slipway serve` starts, it tells everybody which models it has.
    settings = ServerSettings(
        repository=root,
        models=("mnist", "slow", "strict"),
        loadable=("idle", "broken"),
        restrict_admin_apis=False,
        verify=False,
    )
    with TritonServer(settings) as server:
        manage(server, "broken", "load")
        yield server


def manage(server, model, verb):
    return httpx.post(f"{server.http_url}/v2/repository/models/{model}/{verb}", trust_env=False, timeout=60)


@pytest.fixture
def unused_ports():
    """Ports for a server that is started twice."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        ports = [opened.getsockname()[1] for opened in sockets]
    return dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))


@pytest.fixture(params=["grpc", "http"])
def url(request, server):
    return getattr(server, f"{request.param}_url")


def error_of(url, model, *, call="predict", **options):
    with Classifier(url, model=model, retry=ONCE, **options) as classifier:
        steps = {
            "predict": lambda: classifier.predict(np.zeros((28, 28), np.uint8)),
            "wait_ready": lambda: classifier.wait_ready(timeout_s=0.3),
        }
        with pytest.raises(ClientError) as caught:
            steps[call]()
    return caught.value


@pytest.mark.parametrize("call", ["predict", "wait_ready"])
@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("nosuch", ModelNotFound, "no model of this name, it has: broken, idle, mnist, slow, strict"),
        ("idle", ModelNotReady, "has the model in its repository but has not loaded it"),
        ("broken", ModelLoadFailed, "could not load version 1: .*INVALID_PROTOBUF"),
    ],
    ids=["wrong-name", "not-loaded", "broken"],
)
def test_model_that_does_not_answer_is_told_apart(url, model, error, message, call):
    caught = error_of(url, model, call=call)

    assert error is type(caught)
    assert re.search(message, str(caught))


def test_version_that_is_not_there_is_named_with_those_that_are(url):
    caught = error_of(url, "mnist", version=7)

    assert ModelNotFound is type(caught)
    assert "the model has no version 7 there, it has: 1" in str(caught)


def test_version_that_was_unloaded_is_not_ready(url, server):
    manage(server, "idle", "load").raise_for_status()
    with Classifier(url, model="idle", version=1, retry=ONCE) as classifier:
        classifier.wait_ready()
        classifier.contract()
        manage(server, "idle", "unload").raise_for_status()
        with pytest.raises(ModelNotReady, match=r"the server (is unloading the model|.* has not loaded it)") as caught:
            classifier.predict(np.zeros((28, 28), np.uint8))

    assert caught.value.status in ("UNAVAILABLE", "503")


def test_slow_model_is_given_up_at_the_deadline(url):
    with Classifier(url, model="slow") as classifier:
        classifier.contract()
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.05 s"):
            classifier.predict(np.zeros((28, 28), np.uint8), timeout_s=0.05)


def test_full_queue_is_overload(url):
    with Classifier(url, model="strict", retry=ONCE, timeout_s=30) as classifier, ThreadPoolExecutor(8) as threads:
        classifier.contract()
        calls = [threads.submit(classifier.predict, np.zeros((16, 28, 28), np.uint8)) for _ in range(8)]
        errors = [call.exception() for call in calls]

    refused = [error for error in errors if error is not None]
    assert {ServerOverloaded} == {type(error) for error in refused}
    assert {"Exceeds maximum queue size", "Request timeout expired"} == {e.attempts[0].text for e in refused}


def test_request_that_the_model_no_longer_takes_is_refused_once(url):
    with Classifier(url, model="mnist") as classifier:
        grown = dataclasses.replace(classifier.contract(), max_batch_size=64)
        contracts = classifier._session().core._contract_cache
        # As if the model took more before:
        contracts._chosen = dataclasses.replace(contracts._chosen, contract=grown, most_images=64)
        with pytest.raises(InvalidRequest, match="batch-size must be <= 16"):
            classifier.predict(np.zeros((17, 28, 28), np.uint8))

        assert 17 == len(classifier.predict(np.zeros((17, 28, 28), np.uint8)))


def test_server_that_restricts_a_question_wants_to_know_who_asks(own_repository):
    restricted = ("--grpc-restricted-protocol=model-config:key=x", "--http-restricted-api=model-config:key=x")
    with TritonServer(ServerSettings(repository=own_repository, extra_args=restricted)) as server:
        for url in (server.grpc_url, server.http_url):
            assert Unauthenticated is type(error_of(url, "mnist"))


def test_calls_survive_a_server_that_restarts(published_repository, unused_ports):
    # While a client keeps an HTTP connection open, tritonserver waits for it until its exit timeout.
    settings = ServerSettings(repository=published_repository, exit_timeout_s=4, **unused_ports)
    patient = RetryPolicy(max_attempts=1000, base_backoff_s=0.1, max_backoff_s=0.1, budget_burst=10_000)
    labels, seen, stop = [], set(), threading.Event()

    def keep_asking(classifier, watcher):
        while not stop.is_set():
            labels.append(classifier.predict(np.zeros((28, 28), np.uint8)).labels)
            try:
                watcher.predict(np.zeros((28, 28), np.uint8))
            except ClientError as exc:
                seen.add(type(exc))

    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(2))
        with TritonServer(settings) as server:
            clients = [
                [
                    stack.enter_context(Classifier(url, model="mnist", timeout_s=60, retry=retry))
                    for retry in (patient, ONCE)
                ]
                for url in (server.grpc_url, server.http_url)
            ]
            for classifier, _ in clients:
                classifier.wait_ready()
            calls = [threads.submit(keep_asking, *pair) for pair in clients]
            while len(labels) < 20:
                stop.wait(0.01)
        down = {type(error_of(url, "mnist")) for url in (server.grpc_url, server.http_url)}
        with TritonServer(settings):
            before = len(labels)
            while len(labels) < before + 20:
                stop.wait(0.01)
            stop.set()
            failures = [call.exception(timeout=60) for call in calls]

    assert [None, None] == failures
    assert seen <= {ServerUnavailable, ServerDraining, ModelNotReady}
    assert {ServerUnavailable} == down
