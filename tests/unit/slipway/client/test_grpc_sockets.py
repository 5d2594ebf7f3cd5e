"""What a gRPC channel's connections are known by, without asking gRPC at every call."""

import os
import socket
import threading
from concurrent import futures
from pathlib import Path

import grpc
import pytest

from slipway.client._transports import grpc_sockets
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


@pytest.fixture
def default_timeout():
    socket.setdefaulttimeout(30)
    yield
    socket.setdefaulttimeout(None)


@pytest.mark.usefixtures("default_timeout")
@pytest.mark.parametrize("blocking", [True, False])
def test_sockets_of_the_application_stay_blocking_or_not_with_a_default_timeout(serve, connect, blocking):
    _, port = serve()
    sockets = connect(port)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        datagrams, (left, right) = socket.socket(type=socket.SOCK_DGRAM), socket.socketpair()
        with datagrams, left, right:
            own = [server, client, datagrams, left, right]
            for each in own:
                each.setblocking(blocking)
            sockets.changed()
            look_again(sockets)

            assert [blocking] * len(own) == [os.get_blocking(each.fileno()) for each in own]
            assert sockets._same_descriptors()  # those of the channel were found all the same


@pytest.fixture
def channelz_calls(monkeypatch):
    """How often channelz was asked about a channel."""
    calls = []
    ask = grpc_sockets._about_channel
    monkeypatch.setattr(grpc_sockets, "_about_channel", lambda number: calls.append(number) or ask(number))
    return calls


def look_again(sockets):
    sockets._looked_ns = 0  # as if 10 ms had passed
    return sockets.changed()


def test_channelz_is_not_asked_while_no_connection_to_the_server_opens(serve, connect, channelz_calls):
    sockets = connect(serve()[1])
    sockets.changed()
    before = len(channelz_calls)
    with socket.create_server(("127.0.0.1", 0)) as elsewhere, socket.create_connection(elsewhere.getsockname()):
        looks = [look_again(sockets) for _ in range(5)]

    assert [False] * 5 == looks
    assert before == len(channelz_calls)


def test_channelz_is_asked_while_a_young_connection_to_the_port_may_be_the_channels(serve, connect, channelz_calls):
    _, port = serve()
    sockets = connect(port)
    sockets.changed()
    before = len(channelz_calls)
    with socket.create_connection(("127.0.0.1", port)):
        assert not look_again(sockets)
        assert before + 1 == len(channelz_calls)
        sockets._of_process = {key: seen._replace(seen_ns=0) for key, seen in sockets._of_process.items()}
        look_again(sockets)

        assert before + 1 == len(channelz_calls)


def test_a_connection_beside_one_that_is_left_to_its_last_answer_is_seen():
    entered, over = threading.Event(), threading.Event()

    def answer(request, _context):
        if request == b"long":
            entered.set()
            over.wait(60)
        return request

    def server_at(port):
        server = grpc.server(futures.ThreadPoolExecutor(2))
        handlers = {"call": grpc.unary_unary_rpc_method_handler(answer)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s", handlers),))
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        return server, port

    first, port = server_at(0)
    options = [*OPTIONS, ("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 100)]
    sockets = Sockets(lambda: grpc.insecure_channel(f"127.0.0.1:{port}", options=options))
    call = sockets.channel.unary_unary("/s/call")
    try:
        long = call.future(b"long", timeout=60)
        entered.wait(30)
        sockets.changed()
        first.stop(grace=60)  # takes no more calls; the long one may end
        second, _ = server_at(port)
        call(b"short", timeout=30, wait_for_ready=True)

        assert sockets._same_descriptors()  # the first connection is still open
        assert look_again(sockets)
        over.set()
        assert b"long" == long.result(timeout=30)
        second.stop(grace=None).wait()
    finally:
        over.set()
        sockets.channel.close()
        first.stop(grace=None).wait()
