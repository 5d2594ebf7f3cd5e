"""LitServe: JSON with the pixels in base64; it takes no binary body."""

from __future__ import annotations

import base64

import litserve
import numpy as np
from onnx_model import HOST, OnnxModel, http_port, workers


class Mnist(litserve.LitAPI):
    """The model behind LitServe's interface."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's
        """Once a worker."""
        self.model = OnnxModel()

    def decode_request(self, request: dict[str, str]) -> bytes:
        """Pixels."""
        return base64.b64decode(request["pixels"])

    def predict(self, x: bytes) -> np.ndarray:
        """Probabilities."""
        return self.model.from_bytes(x)

    def encode_response(self, output: np.ndarray) -> dict[str, list[list[float]]]:
        """JSON."""
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(
        Mnist(api_path="/classify"), accelerator="cpu", workers_per_device=workers(), fast_queue=True
    )
    server.run(host=HOST, port=http_port(), num_api_servers=workers(), log_level="warning", generate_client_file=False)
