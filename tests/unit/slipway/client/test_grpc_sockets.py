"""What a gRPC channel's connections are known by, without asking gRPC at every call."""

from concurrent import futures
from pathlib import Path

import grpc
import pytest

from slipway.client._transports.grpc_sockets import OPTIONS, Sockets


@pytest.fixture
def serve():
    """Start a gRPC server: `serve(port)` returns it and its port."""
    servers = []

    def start(port=0):
        server = grpc.server(futures.ThreadPoolExecutor(2))
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        servers.append(server)
        return server, port

    yield start
    for server in servers:
        server.stop(grace=None).wait()


@pytest.fixture
def connect():
    """Connect: `connect(port)` returns the watched sockets of a channel that is ready."""
    opened = []

    def start(port):
        options = [*OPTIONS, ("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 100)]
        sockets = Sockets(lambda: grpc.insecure_channel(f"127.0.0.1:{port}", options=options))
        opened.append(sockets)
        grpc.channel_ready_future(sockets.channel).result(timeout=20)
        return sockets

    yield start
    for sockets in opened:
        sockets.channel.close()


def test_a_connection_is_new_once(serve, connect):
    _, port = serve()
    sockets = connect(port)

    assert [True, False, False] == [sockets.changed() for _ in range(3)]


def test_a_connection_that_replaced_another_is_seen_at_once(serve, connect):
    server, port = serve()
    sockets = connect(port)
    sockets.changed()
    server.stop(grace=None).wait()
    serve(port)
    grpc.channel_ready_future(sockets.channel).result(timeout=20)

    assert sockets.changed()


def test_looking_leaves_no_descriptor_open(serve, connect):
    _, port = serve()
    sockets = connect(port)
    sockets.changed()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(200):
        sockets._looked_ns = 0  # as if 10 ms had passed
        sockets._descriptors = {}
        sockets.changed()

    assert before == len(list(Path("/proc/self/fd").iterdir()))
