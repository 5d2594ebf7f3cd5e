"""Triton's messages beside other packages that bring the same ones."""

import subprocess
import sys

import pytest

OTHER = """
from google.protobuf import descriptor_pb2, descriptor_pool
other = descriptor_pb2.FileDescriptorProto(name="other/grpc_service.proto", package="inference", syntax="proto3")
other.message_type.add(name="ModelInferRequest").field.add(name="model", number=1, type=9, label=1)
other.message_type.add(name="ModelConfig")
descriptor_pool.Default().Add(other)
"""
OURS = """
from slipway.client import Classifier
from slipway.client.wire import Infer, grpc_request
import numpy as np
assert b"mnist" in grpc_request(Infer("mnist", "", np.zeros((1, 2, 2, 1), np.uint8)), timeout_s=1)
"""
TRITON = """
from tritonclient.grpc import service_pb2
assert service_pb2.ModelInferRequest(model_name="x").model_name == "x"
"""


@pytest.mark.parametrize(
    "code",
    [OTHER + OURS, OURS + OTHER, TRITON + OURS, OURS + TRITON],
    ids=["other-1st", "other-2nd", "tc-1st", "tc-2nd"],
)
def test_client_lives_beside_whoever_else_registers_the_same_messages(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)


def test_client_registers_nothing_in_the_default_pool():
    code = """
from google.protobuf import descriptor_pool
import slipway.client
try:
    descriptor_pool.Default().FindFileByName("grpc_service.proto")
except KeyError:
    print("none")
"""

    assert "none\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
