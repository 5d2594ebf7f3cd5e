"""KServe's SDK server: the open inference protocol with binary tensors over HTTP, and over gRPC."""

from __future__ import annotations

import functools
from typing import Any

import uvicorn
from grpc import aio
from kserve import InferInput, InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.protocol.grpc import server as grpc_server
from kserve.utils.utils import generate_uuid
from onnx_model import HOST, INPUT, OUTPUT, OnnxModel, grpc_port, http_port, workers


class Mnist(Model):
    """The model behind KServe's interface."""

    def __init__(self) -> None:
        super().__init__("mnist")
        self.model = OnnxModel()
        self.ready = True

    async def predict(self, payload: InferRequest, *_: Any, **__: Any) -> InferResponse:  # noqa: ANN401 - KServe's
        """Binary in, binary out."""
        given: InferInput = payload.inputs[0]
        assert given.name == INPUT  # noqa: S101 - a wrong request ends the benchmark
        probabilities = self.model(given.as_numpy())
        output = InferOutput(OUTPUT, list(probabilities.shape), "FP32")
        output.set_data_from_numpy(probabilities, binary_data=True)
        return InferResponse(
            payload.id or generate_uuid(),
            self.name,
            [output],
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


def stay_on_loopback() -> None:
    """KServe listens on every interface of the machine, and has no setting for it."""
    uvicorn.Config.__init__ = functools.partialmethod(_with_host, uvicorn.Config.__init__)

    def server(*arguments: Any, **options: Any) -> aio.Server:  # noqa: ANN401
        made = aio.server(*arguments, **options)
        add = made.add_insecure_port
        made.add_insecure_port = lambda address: add(address.replace("[::]", HOST))
        return made

    grpc_server.aio = type("aio", (), {"server": staticmethod(server)})


def _with_host(config: uvicorn.Config, init: Any, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
    init(config, *arguments, **{**options, "host": HOST})


if __name__ == "__main__":
    stay_on_loopback()
    ModelServer(
        http_port=http_port(), grpc_port=grpc_port(), workers=workers(), enable_latency_logging=False, grace_period=5
    ).start([Mnist()])
