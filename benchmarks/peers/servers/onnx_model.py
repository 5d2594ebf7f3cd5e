"""The model as every peer runs it: ONNX Runtime with one thread, as the published configuration says.

Each peer runs in an environment of its own, so nothing of Slipway is imported in this folder. The file of the model and
the ports come in environment variables: several of these frameworks start their workers by themselves.
"""

from __future__ import annotations

import os

import numpy as np
import onnxruntime

INPUT, OUTPUT = "image", "probabilities"
SHAPE = (28, 28, 1)
HOST = "127.0.0.1"


def http_port() -> int:
    """Where the peer listens for HTTP."""
    return int(os.environ["PEER_HTTP_PORT"])


def grpc_port() -> int:
    """Where the peer listens for gRPC, if it does."""
    return int(os.environ["PEER_GRPC_PORT"])


def workers() -> int:
    """How many processes the peer is to use."""
    return int(os.environ["PEER_WORKERS"])


class OnnxModel:
    """One session; uint8 images [n, 28, 28, 1] in, float32 probabilities [n, 10] out."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            os.environ["PEER_MODEL"], options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Classify."""
        probabilities: np.ndarray = self._session.run([OUTPUT], {INPUT: images})[0]
        return probabilities

    def from_bytes(self, pixels: bytes) -> np.ndarray:
        """Classify images that come as their bytes."""
        return self(np.frombuffer(pixels, np.uint8).reshape(-1, *SHAPE))
