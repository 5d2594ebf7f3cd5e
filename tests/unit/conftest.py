"""Real wires on loopback.

`fake` is a FakeTriton behind one of the wires; a test that takes it runs once for gRPC and once for HTTP.
`s3` is an empty bucket; `url` is a remote repository, and a test that takes it runs once for S3 and once for a folder.
`node` runs a pod of the rehearsal.
"""

from __future__ import annotations

import os
import socket
import threading
from concurrent import futures
from functools import partial

import grpc
import numpy as np
import pytest

from tests.unit.fake_triton import FakeTriton, HttpHandler, HttpServer, grpc_handler


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch):
    """Servers of this tier are on this machine: a test that is about proxies says which."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def open_grpc():
    """Serve a FakeTriton over gRPC: `open_grpc(fake, credentials=None)` returns its URL."""
    servers = []

    def start(fake, credentials=None):
        server = grpc.server(futures.ThreadPoolExecutor(80))
        server.add_generic_rpc_handlers((grpc_handler(fake),))
        if credentials is None:
            url = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        else:
            url = f"grpcs://localhost:{server.add_secure_port('127.0.0.1:0', credentials)}"
        server.start()
        servers.append(server)
        return url

    yield start
    for server in servers:
        server.stop(grace=None).wait()


@pytest.fixture
def open_http():
    """Serve a FakeTriton over HTTP: `open_http(fake, context=None)` returns its URL."""
    running = []

    def start(fake, context=None):
        server = HttpServer(("127.0.0.1", 0), type("Handler", (HttpHandler,), {"fake": fake}))
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return f"{'http://127.0.0.1' if context is None else 'https://localhost'}:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def unserved():
    """A FakeTriton behind no wire yet."""
    triton = FakeTriton()
    yield triton
    triton.release()


@pytest.fixture(params=["grpc", "http"])
def fake(request, unserved):
    """A FakeTriton that answers at `fake.url`."""
    unserved.url = request.getfixturevalue(f"open_{request.param}")(unserved)
    return unserved


@pytest.fixture
def grpc_fake(unserved, open_grpc):
    """The same, over gRPC alone, for what does not depend on the protocol."""
    unserved.url = open_grpc(unserved)
    return unserved


@pytest.fixture(params=["grpc", "http"])
def silent_url(request):
    """The URL of an address where no server listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        yield f"{request.param}://127.0.0.1:{unused.getsockname()[1]}"


@pytest.fixture
def digits():
    """Images whose answer is known: `digits([3, 7])` is uint8 (2, 28, 28, 1), classified as "3" and "7"."""

    def make(values):
        images = np.zeros((len(values), 28, 28, 1), np.uint8)
        images[:, 0, 0, 0] = values
        return images

    return make


@pytest.fixture(scope="module")
def interceptor():
    """The S3 server."""
    from tests.unit.s3_store import s3_interceptor  # moto is slow to import

    with s3_interceptor() as opened:
        yield opened


@pytest.fixture
def s3(interceptor, monkeypatch, tmp_path):
    """An empty bucket of it."""
    from tests.unit.s3_store import s3_bucket

    return s3_bucket(interceptor, monkeypatch, "".join(c for c in tmp_path.name.lower() if c.isalnum()))


@pytest.fixture(params=["s3", "file"])
def url(request, tmp_path):
    """A remote repository with nothing in it."""
    if request.param == "s3":
        return request.getfixturevalue("s3").url
    (tmp_path / "bucket").mkdir()
    return f"file://{tmp_path}/bucket/prod"


@pytest.fixture
def node(tmp_path):
    """Runs one pod in a block; leaves nothing behind."""
    from tests.unit.pods import run_pod

    return partial(run_pod, tmp_path)
