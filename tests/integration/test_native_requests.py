"""Requests whose lengths do not fit, past what tritonserver checks: refused alone, and the server lives."""

import struct

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.integration.native_server import native_server
from tests.integration.onnx_models import identity

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def infer(tmp_path_factory):
    """Send one tensor as it is: the bytes of the answer."""
    root = tmp_path_factory.mktemp("models")
    for dtype in ("BYTES", "FP32", "BF16"):
        identity(dtype).write(root)

    def call(stub, dtype, shape, content):
        request = service_pb2.ModelInferRequest(model_name=f"identity_{dtype.lower()}", raw_input_contents=[content])
        request.inputs.add(name="in", datatype=dtype, shape=shape)
        return stub.ModelInfer(request, timeout=60).raw_output_contents[0]

    with (
        native_server(root) as server,
        grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel,
    ):
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        yield lambda *request: call(stub, *request)
        assert server.poll() is None


def strings(*texts):
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


@pytest.mark.parametrize(
    ("dtype", "shape", "content"),
    [
        ("BYTES", (1, 1, 3), strings(b"", b"zero \0 byte", b"\xff\xfe not UTF-8")),
        ("BF16", (2, 1, 2), np.arange(4, dtype=np.uint16).tobytes()),
        ("FP32", (1, 0, 2), b""),
    ],
    ids=["any bytes", "bfloat16", "nothing"],
)
def test_what_fits_comes_back_as_it_went_in(infer, dtype, shape, content):
    assert content == infer(dtype, shape, content)


@pytest.mark.parametrize(
    ("dtype", "shape", "content", "refusal"),
    [
        ("BYTES", (1, 1, 2), strings(b"a") + struct.pack("<I", 2**31) + b"b", 'input "in": expected 2 strings, got 1'),
        ("BYTES", (1, 1, 1), b"\xff\xff\xff\xff", 'input "in": expected 1 strings, got 0'),
        ("BYTES", (1, 2**31, 2**31), b"", "expected"),
        ("FP32", (1, 2**31, 2**31), b"", "expected"),
        ("FP32", (1, 2**62, 1), b"", "expected"),
    ],
    ids=["string too long", "no string", "many strings", "many numbers", "overflow"],
)
def test_lengths_that_lie_are_refused(infer, dtype, shape, content, refusal):
    with pytest.raises(grpc.RpcError) as caught:
        infer(dtype, shape, content)

    assert refusal in caught.value.details()
    assert strings(b"alive") == infer("BYTES", (1, 1, 1), strings(b"alive"))
