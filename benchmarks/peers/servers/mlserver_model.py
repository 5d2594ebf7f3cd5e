"""MLServer: the open inference protocol, in JSON over HTTP (it has no binary tensors there) and binary over gRPC."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from mlserver import MLModel, types
from mlserver.cli.main import main
from mlserver.codecs import NumpyCodec
from onnx_model import HOST, OUTPUT, OnnxModel, grpc_port, http_port, workers


class Mnist(MLModel):
    """The model behind MLServer's interface."""

    async def load(self) -> bool:
        """Once a process."""
        self.model = OnnxModel()
        return True

    async def predict(self, payload: types.InferenceRequest) -> types.InferenceResponse:
        """MLServer's own codec between its tensors and numpy's."""
        images = NumpyCodec.decode_input(payload.inputs[0]).astype(np.uint8, copy=False)
        output = NumpyCodec.encode_output(OUTPUT, self.model(images))
        return types.InferenceResponse(model_name=self.name, outputs=[output])


def settings() -> dict[str, object]:
    """One process serves in itself; several are workers behind a router."""
    return {
        "debug": False,
        "host": HOST,
        "http_port": http_port(),
        "grpc_port": grpc_port(),
        "metrics_endpoint": None,
        "parallel_workers": 0 if workers() == 1 else workers(),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)  # it leaves files of its metrics where it stands
        (folder / "settings.json").write_text(json.dumps(settings()), encoding="utf-8")
        model = {"name": "mnist", "implementation": "mlserver_model.Mnist"}
        (folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
        sys.argv = ["mlserver", "start", str(folder)]
        main()
