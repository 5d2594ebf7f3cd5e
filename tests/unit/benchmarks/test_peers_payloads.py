"""Requests in each server's words, and the repositories that the embedded server is measured with."""

import base64
import json

import numpy as np
import onnxruntime
import pytest
from tritonclient.grpc import service_pb2

from benchmarks.peers.payloads import Base64Json, RawBytes, V2Binary, V2Json, grpc_message, grpc_probabilities
from benchmarks.peers.repositories import no_op, with_batches_of
from slipway.contract import ModelContract
from slipway.model_config import ServingProfile, parse_config, read_contract
from slipway.repository import model_files, publish, verify

IMAGES = np.arange(2 * 784, dtype=np.uint32).astype(np.uint8).reshape(2, 28, 28, 1)
PROBABILITIES = np.arange(20, dtype=np.float32).reshape(2, 10) / 20


def test_the_binary_protocol_counts_its_json_header_and_sends_pixels_as_they_are():
    payload = V2Binary().encode(IMAGES)
    length = int(payload.headers["Inference-Header-Content-Length"])
    header = json.loads(payload.body[:length])

    assert "/v2/models/mnist/infer" == payload.path
    assert [2, 28, 28, 1] == header["inputs"][0]["shape"]
    assert IMAGES.tobytes() == payload.body[length:]


def test_json_holds_every_pixel():
    assert IMAGES.ravel().tolist() == json.loads(V2Json().encode(IMAGES).body)["inputs"][0]["data"]
    assert IMAGES.tobytes() == base64.b64decode(json.loads(Base64Json().encode(IMAGES).body)["pixels"])
    assert IMAGES.tobytes() == RawBytes().encode(IMAGES).body


@pytest.mark.parametrize(
    ("form", "headers", "body"),
    [
        (V2Binary(), {"inference-header-content-length": "2"}, b"{}" + PROBABILITIES.tobytes()),
        (V2Json(), {}, json.dumps({"outputs": [{"data": PROBABILITIES.ravel().tolist()}]}).encode()),
        (RawBytes(), {}, PROBABILITIES.tobytes()),
        (Base64Json(), {}, json.dumps({"probabilities": PROBABILITIES.tolist()}).encode()),
    ],
)
def test_an_answer_is_read_as_probabilities(form, headers, body):
    np.testing.assert_array_equal(PROBABILITIES, form.decode(headers, body))


def test_over_grpc_an_answer_in_bytes_and_one_in_numbers_are_the_same():
    numbers = service_pb2.ModelInferResponse()
    numbers.outputs.add(name="probabilities").contents.fp32_contents.extend(PROBABILITIES.ravel().tolist())

    assert [IMAGES.tobytes()] == list(grpc_message(IMAGES).raw_input_contents)
    np.testing.assert_array_equal(PROBABILITIES, grpc_probabilities(numbers))
    np.testing.assert_array_equal(
        PROBABILITIES, grpc_probabilities(service_pb2.ModelInferResponse(raw_output_contents=[PROBABILITIES.tobytes()]))
    )


@pytest.fixture
def published(tmp_path):
    contract = ModelContract(name="mnist", image_shape=(28, 28, 1), labels=tuple("0123456789"), max_batch_size=16)
    cpu, gpu = ServingProfile(accelerator="cpu", instances=2), ServingProfile(accelerator="gpu", instances=1)
    root = tmp_path / "published"
    publish(
        root, contract, model_files(contract, cpu=cpu, gpu=gpu), lambda folder: (folder / "model.onnx").write_text("m")
    )
    return root


def test_a_repository_with_larger_batches_differs_in_nothing_else(published, tmp_path):
    root = with_batches_of(32, published, tmp_path / "large")
    config = parse_config((root / "mnist" / "config.pbtxt").read_text())
    verify(root, "mnist", 1)

    assert 32 == read_contract(config).max_batch_size
    assert 2 == config.instance_group[0].count
    assert "m" == (root / "mnist" / "1" / "model.onnx").read_text()


def test_the_model_that_does_nothing_returns_ten_pixels(published, tmp_path):
    root = no_op(published, tmp_path / "no-op")
    session = onnxruntime.InferenceSession(root / "mnist" / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    (answer,) = session.run(["probabilities"], {"image": IMAGES})

    np.testing.assert_array_equal(IMAGES.reshape(2, 784)[:, :10].astype(np.float32), answer)
