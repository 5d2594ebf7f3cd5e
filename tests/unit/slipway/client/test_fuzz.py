"""Whatever a caller or a server passes to a public function, only errors of ours come out. Fixed seeds."""

import contextlib
import json
import random
import socket
import threading

import numpy as np
import pytest

from slipway.client import ClientError, RetryPolicy
from slipway.client._operations import Infer, IsModelReady, IsServerReady, ListModels, ReadConfig, ReadMetadata
from slipway.client._transport_failures import TransportFailure
from slipway.client._transports.http_messages import HttpResponse
from slipway.client._transports.http_transport import decode
from slipway.client.wire import grpc_response, parse_address
from slipway.model_config import ContractUnreadable, read_contract
from tests.unit.client_variants import VARIANTS, call

ONCE = RetryPolicy(max_attempts=1)
ALPHABET = [
    *map(chr, range(128)),
    "é",
    "\u202e",
    "\ud800",
    "\U0001f600",
    "://",
    "@",
    "[::1]",
    "grpc://",
    "http://a",
    ":99999",
]
IMAGE = np.zeros((1, 28, 28, 1), np.uint8)
QUESTIONS = [
    Infer("mnist", "", IMAGE, 10),
    ReadConfig("mnist", ""),
    ReadMetadata("mnist", ""),
    IsModelReady("mnist", ""),
    IsServerReady(),
    ListModels(),
]
DEEP = b"[" * 200_000
ODD_VALUES = [None, True, -1, 1e308, "x", [], {}, [[]], [None], {"a": []}, 2**70, ["x"] * 3]


@pytest.mark.parametrize("seed", range(8))
def test_any_text_as_an_address_is_read_or_refused(seed):
    random_ = random.Random(seed)
    for _ in range(500):
        text = random_.choice(["", "grpc://", "http://", "https://h:1/"]) + "".join(
            random_.choices(ALPHABET, k=random_.randint(0, 12))
        )
        with contextlib.suppress(ClientError):
            parse_address(text)


OPTIONS = {
    "model": [None, 7, b"mnist", "", "a\nb", "x" * 300, "\ud800"],
    "token": [7, b"t", "", "é", "a b", "a\r\nX: 1", "\ud800"],
    "headers": [7, "a: b", {"a": 1}, {"a b": "c"}, {"a": "é"}, {"a": "b\r\nc"}, {"": "a"}, {"x-bin": "a"}, {1: "a"}],
    "authority": [7, "", "a b", "é", "a/b", "user@host", "h:port"],
    "version": [0, True, "1", 1.5],
    "timeout_s": [0, "5", [], float("nan")],
    "max_connections": [0, "x", None, True],
    "max_batch_size": [0, "x", None],
    "max_contract_age_s": [0, "x"],
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", OPTIONS)
def test_odd_option_is_refused_before_anything_is_sent_and_a_secret_is_not_repeated(fake, name, variant):
    for value in OPTIONS[name]:
        with pytest.raises((ValueError, TypeError), match=name) as caught:
            call(variant, fake.url, "contract", **{"model": "mnist", name: value})
        if name == "token" and value:
            assert str(value) not in str(caught.value)
    assert {} == fake.asked


def failing():
    raise RuntimeError("the vault is closed")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "token",
    [failing, lambda: None, lambda: "é", lambda: "", lambda: "a\r\nb", lambda: b"x"],
    ids=["fails", "none", "no-ascii", "empty", "two-lines", "bytes"],
)
def test_function_that_gives_no_token_is_an_error_of_ours(fake, token, variant):
    with pytest.raises(ClientError, match="no usable token, nothing was sent"):
        call(variant, fake.url, "contract", token=token)

    assert {} == fake.asked


def odd_bodies(random_):
    base = {
        "name": "mnist",
        "model_version": "1",
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [1, 10], "parameters": {}}],
        "input": [{"name": "image", "data_type": "TYPE_UINT8", "dims": [28, 28, 1]}],
        "output": [{"name": "probabilities", "data_type": "TYPE_FP32", "dims": [10]}],
        "max_batch_size": 16,
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 28, 28, 1]}],
        "parameters": {"labels": {"string_value": "[]"}},
    }
    for _ in range(150):
        odd = json.loads(json.dumps(base))
        for key in random_.sample(sorted(odd), 2):
            odd[key] = random_.choice(ODD_VALUES)
        inner = random_.choice(["outputs", "input", "output", "inputs"])
        if isinstance(odd[inner], list) and odd[inner] and isinstance(odd[inner][0], dict):
            odd[inner][0][random_.choice(sorted(odd[inner][0]))] = random_.choice(ODD_VALUES)
        yield json.dumps(odd).encode()
        yield random_.randbytes(random_.randint(0, 60))
    yield from (DEEP, b"", b"null", b"{}", b"[]", b'{"error": {}}', b"9" * 5000, b"\x1f\x8b" + b"x" * 40)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: type(question).__name__)
def test_any_http_answer_is_an_answer_or_a_fault(question, seed):
    random_ = random.Random(seed)
    for body in odd_bodies(random_):
        headers = {
            "content-type": random_.choice(["text/html", "application/json", "\x1b[2J", ""]),
            "content-encoding": random_.choice(["", "", "gzip", "deflate", "br"]),
            "inference-header-content-length": random_.choice(["", "-1", "7", "x", "99999999999999999999"]),
            "retry-after": random_.choice(["", "9" * 400, "soon"]),
        }
        status = random_.choice([200, 200, 200, 301, 400, 401, 404, 405, 429, 500, 503])
        reply = decode(question, HttpResponse(status=status, headers=headers, body=body))
        if isinstance(question, ReadConfig) and not isinstance(reply, TransportFailure):
            with contextlib.suppress(ContractUnreadable):
                read_contract(reply)


@pytest.mark.parametrize("seed", range(3))
def test_any_grpc_payload_is_an_answer_or_a_fault(seed):
    random_ = random.Random(seed)
    for _ in range(500):
        grpc_response(QUESTIONS[0], random_.randbytes(random_.randint(0, 80)))


@pytest.fixture
def raw_server():
    """A server that says given bytes to everyone: `raw_server(content)` returns its port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    said = [b""]

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                connection.recv(65536)
                connection.sendall(said[0])
                connection.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve)
    thread.start()

    def say(content):
        said[0] = content
        return listening.getsockname()[1]

    yield say
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("scheme", ["http", "grpc", "https", "grpcs"])
def test_any_bytes_on_the_wire_are_an_error_of_ours(raw_server, scheme, variant):
    random_ = random.Random(1)
    contents = [
        b"",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://me:s3cret@elsewhere/\r\n\r\n",
        b"HTTP/1.1 999 \xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000,
        *(random_.randbytes(50) for _ in range(4)),
    ]
    for content in contents:
        with pytest.raises(ClientError) as caught:
            call(variant, f"{scheme}://127.0.0.1:{raw_server(content)}", "contract", retry=ONCE, timeout_s=5)

        assert str(caught.value).isprintable()
        assert "s3cret" not in str(caught.value)
