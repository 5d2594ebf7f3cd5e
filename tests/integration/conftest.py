"""A published model that is made in milliseconds, and a real tritonserver on it, for a whole test session.

The model is linear with fixed random weights: it classifies nothing, and any mix-up of pixels, rows or requests
changes its probabilities.
"""

from __future__ import annotations

import os

import httpx
import numpy as np
import pytest

from slipway.contract import ModelContract
from slipway.model_config import ServingProfile
from slipway.repository import model_files, publish

MNIST = ModelContract(name="mnist", image_shape=(28, 28, 1), labels=tuple("0123456789"), max_batch_size=16)


def linear_classifier(contract):
    """ONNX: softmax(image / 255 · weights), from the contract's input to the contract's output."""
    from onnx import TensorProto, checker, helper, numpy_helper

    pixels = int(np.prod(contract.image_shape))
    weights = np.random.default_rng(0).normal(0, 0.1, (pixels, len(contract.labels))).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", [contract.image.name], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["pixels", "scale"], ["scaled"]),
            helper.make_node("Reshape", ["scaled", "flat"], ["features"]),
            helper.make_node("MatMul", ["features", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], [contract.probabilities.name], axis=-1),
        ],
        contract.name,
        [helper.make_tensor_value_info(contract.image.name, TensorProto.UINT8, ["batch", *contract.image.dims])],
        [
            helper.make_tensor_value_info(
                contract.probabilities.name, TensorProto.FLOAT, ["batch", len(contract.labels)]
            )
        ],
        [
            numpy_helper.from_array(np.float32(1 / 255), "scale"),
            numpy_helper.from_array(np.array([-1, pixels]), "flat"),
            numpy_helper.from_array(weights, "weights"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


def publish_linear_classifier(root):
    cpu = ServingProfile(accelerator="cpu", instances=2)
    gpu = ServingProfile(accelerator="gpu", instances=1)
    model = linear_classifier(MNIST)
    publish(
        root, MNIST, model_files(MNIST, cpu=cpu, gpu=gpu), lambda folder: (folder / "model.onnx").write_bytes(model)
    )


@pytest.fixture(scope="session", autouse=True)
def native_is_here():
    """Whether the native backend can be compiled here; where it cannot, this tier runs with the Python one."""
    from slipway.triton import TritonNotFound, find_program

    try:
        find_program(backend="native")
    except TritonNotFound:
        os.environ.setdefault("SLIPWAY_BACKEND", "python")
        return False
    return True


@pytest.fixture(params=["native", "python"])
def backend(request, native_is_here, monkeypatch):
    """What runs the models of every server that the test starts, by API or by command: once each."""
    if request.param == "native" and not native_is_here:
        pytest.skip("no native backend can be compiled here")
    monkeypatch.setenv("SLIPWAY_BACKEND", request.param)
    return request.param


@pytest.fixture
def python_backend(monkeypatch):
    """As `backend`, only the Python one: the test is about its processes."""
    monkeypatch.setenv("SLIPWAY_BACKEND", "python")


@pytest.fixture(scope="session")
def published_repository(tmp_path_factory):
    """A model repository with version 1 of `mnist`; treat it as read-only."""
    root = tmp_path_factory.mktemp("model_repository")
    publish_linear_classifier(root)
    return root


@pytest.fixture
def own_repository(tmp_path):
    """The same, for one test to break."""
    publish_linear_classifier(tmp_path / "model_repository")
    return tmp_path / "model_repository"


@pytest.fixture(scope="session")
def lasting_server(published_repository):
    from slipway.triton import ServerSettings, TritonServer

    with TritonServer(ServerSettings(repository=published_repository)) as server:
        yield server


@pytest.fixture
def triton_server(lasting_server):
    """A tritonserver that serves `published_repository` on free ports.

    Calls that a test before has cancelled abruptly may have ended it, or left it hanging (SECURITY.md): then another
    one takes its place.
    """
    if not _is_live(lasting_server.http_url):
        lasting_server.kill()
        lasting_server.restart()
    return lasting_server


def _is_live(url):
    try:
        return httpx.get(f"{url}/v2/health/live", timeout=20, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def in_process(published_repository):
    """The published model in this process: images in, probabilities out."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        published_repository / "mnist" / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )

    def run(images):
        (probabilities,) = session.run([MNIST.probabilities.name], {MNIST.image.name: images})
        return probabilities

    return run


@pytest.fixture
def random_images():
    """Different images at each call: uint8 (n, 28, 28, 1)."""
    generator = np.random.default_rng(7)

    def make(count):
        return generator.integers(0, 256, (count, *MNIST.image_shape), dtype=np.uint8)

    return make


@pytest.fixture(scope="session")
def labelled(tmp_path_factory, in_process):
    """A file of images with the answers that the published model gives."""
    from slipway.samples import Samples, write_samples

    images = np.random.default_rng(3).integers(0, 256, (300, *MNIST.image_shape), dtype=np.uint8)
    path = tmp_path_factory.mktemp("images") / "labelled.npz"
    write_samples(path, Samples(images=images, labels=in_process(images).argmax(axis=1)))
    return path


@pytest.fixture
def at(triton_server, labelled):
    """Options of `slipway loadtest` that name the server and the images."""

    def options(protocol="grpc", server=triton_server):
        url = server.grpc_url if protocol == "grpc" else server.http_url
        return ("--url", url, "--metrics-url", server.metrics_url, "--images", labelled)

    return options
