"""Ray Serve: pixels as the body of a request, probabilities as the body of the answer."""

from __future__ import annotations

import os
import signal
import threading

import ray
from onnx_model import HOST, OnnxModel, http_port, workers
from ray import serve
from ray._private import services
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(num_replicas=workers(), max_ongoing_requests=64, ray_actor_options={"num_cpus": 0.5})
class Mnist:
    """The model behind Ray Serve's interface."""

    def __init__(self) -> None:
        self.model = OnnxModel()

    async def __call__(self, request: Request) -> Response:
        """Run in the event loop: the model takes less time than a switch of threads."""
        return Response(self.model.from_bytes(await request.body()).tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    # Ray listens on every interface of the machine, unless it finds the machine's address to be the loopback one.
    services.get_node_ip_address = lambda *_, **__: HOST
    ray.init(
        _node_ip_address=HOST,
        _temp_dir=os.environ["PEER_FOLDER"],
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
    )
    serve.start(http_options={"host": HOST, "port": http_port()})
    serve.run(Mnist.bind(), route_prefix="/classify")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())  # Ray's own answer is to abort
    stop.wait()
    serve.shutdown()
    ray.shutdown()
