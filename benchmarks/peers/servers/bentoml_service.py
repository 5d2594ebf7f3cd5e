"""BentoML: JSON with the pixels in base64."""

from __future__ import annotations

import base64

import bentoml
from onnx_model import OnnxModel, workers


@bentoml.service(workers=workers(), logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Mnist:
    """The model behind BentoML's interface."""

    def __init__(self) -> None:
        self.model = OnnxModel()

    @bentoml.api(route="/classify")
    async def classify(self, pixels: str) -> dict[str, list[list[float]]]:
        """Run in the event loop: the model takes less time than a switch of threads."""
        return {"probabilities": self.model.from_bytes(base64.b64decode(pixels)).tolist()}
