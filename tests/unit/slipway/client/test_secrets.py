"""Servers that repeat what they were sent: a token or the value of a header is in no text of ours."""

import socket
import threading
import traceback
from concurrent import futures
from contextlib import suppress

import grpc
import pytest

from slipway.client import ClientError, RetryPolicy
from tests.unit.client_variants import VARIANTS, call

TOKEN, KEY = "eyJhbGciOi.c2VjcmV0", "team-key-31337"
ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture(params=["status line", "refusal", "page", "cut"])
def echo(request):
    """URL of a server of HTTP that answers with the request's own headers."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection):
        with connection, suppress(OSError):
            asked = connection.recv(65536).decode("latin-1")
            headers = asked.partition("\r\n\r\n")[0].replace("\r\n", " | ")
            body = headers.encode()
            if request.param == "status line":
                connection.sendall(f"HTTP/1.1 {headers}\r\n\r\n".encode())
                return
            if request.param == "cut":  # what a message shows of a page ends within the token
                at = headers.index(TOKEN)
                body = b"x" * (495 - 9) + headers[at : at + 9].encode() + b" " * 600
            status = "200 OK" if request.param in ("page", "cut") else "401 Unauthorized"
            head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)

    def serve():
        with suppress(OSError):
            while True:
                answer(listener.accept()[0])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(timeout=10)


@pytest.fixture
def grpc_echo():
    """URL of a gRPC server that refuses with the metadata it got."""

    def refuse(_request, context):
        told = " | ".join(f"{name}: {value}" for name, value in context.invocation_metadata())
        context.abort(grpc.StatusCode.UNAUTHENTICATED, f"refused: {told}")

    class Handler(grpc.GenericRpcHandler):
        def service(self, _details):
            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"grpc://127.0.0.1:{port}"
    server.stop(grace=None).wait()


def text_of(url, variant, token):
    """Everything that a program shows of the error: its text, its tries, its traceback."""
    with pytest.raises(ClientError) as raised:
        call(variant, url, "contract", token=token, headers={"X-Key": KEY}, retry=ONCE, timeout_s=20)
    return "".join(traceback.format_exception(raised.value)) + repr(vars(raised.value))


@pytest.mark.parametrize("token", [TOKEN, lambda: TOKEN], ids=["text", "function"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_http_sends_back_of_a_secret_is_hidden(echo, variant, token):
    shown = text_of(echo, variant, token)

    assert TOKEN not in shown
    assert TOKEN[:9] not in shown
    assert KEY not in shown


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_grpc_sends_back_of_a_secret_is_hidden(grpc_echo, variant):
    shown = text_of(grpc_echo, variant, TOKEN)

    assert "refused: " in shown
    assert TOKEN not in shown
    assert KEY not in shown
