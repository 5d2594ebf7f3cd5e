"""The load test's transports at the wire, before a server that misbehaves."""

import ssl
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import trustme

from loadtest.engine.transports import GrpcLoadTransport, HttpLoadTransport, prepare
from loadtest.scenario.payload import ImageBatch
from loadtest.scenario.schema import TargetSettings


@pytest.fixture
def late_once():
    """URL of a server that answers everything but its first request."""
    release, served = threading.Event(), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            served.append(self.path)
            if len(served) == 1:
                release.wait(10)
                return
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_request_after_one_that_was_too_late_is_sent(late_once):
    target = TargetSettings(url=late_once, timeout_s=5.0)
    batch = ImageBatch(images=np.zeros((1, 28, 28, 1), np.uint8), labels=np.zeros(1, np.int64), weight=1)
    (request,) = prepare(target, [batch])
    transport = HttpLoadTransport.opener(target)()

    answers = [transport.send(request, timeout_s=timeout_s, check=False) for timeout_s in (0.1, 5.0, 5.0)]
    transport.close()

    assert ["deadline", None, None] == answers


def test_target_on_this_machine_is_asked_without_the_proxies_of_the_environment(fake, monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")

    assert None is sent(opener(TargetSettings(url=fake.url))(), TargetSettings(url=fake.url))


def test_a_request_says_what_a_gateway_asks_for(fake, monkeypatch):
    monkeypatch.setenv("MODEL_TOKEN", "secret\n")
    target = TargetSettings(
        url=fake.url, token_env="MODEL_TOKEN", headers={"X-Team": "vision"}, authority="models.test"
    )

    assert None is sent(opener(target)(), target)
    assert ["Bearer secret"] == fake.authorizations


@pytest.fixture
def authority(tmp_path):
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made, str(tmp_path / "ca.pem")


@pytest.fixture
def secure_url(authority, unserved, open_http):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority[0].issue_cert("localhost", "models.test").configure_cert(context)
    return open_http(unserved, context)


def test_users_share_one_context_that_trusts_the_named_authority_alone(authority, secure_url):
    target = TargetSettings(url=secure_url, ca_file=authority[1])
    new = HttpLoadTransport.opener(target)
    users = [new() for _ in range(3)]
    contexts = {id(user._client._connection_pool.ssl_context) for user in users}

    assert [None] * 3 == [sent(user, target) for user in users]
    assert 1 == len(contexts)
    assert 1 == users[0]._client._connection_pool.ssl_context.cert_store_stats()["x509"]


def test_a_certificate_of_another_name_is_accepted_for_the_authority_only(authority, secure_url):
    url = secure_url.replace("localhost", "127.0.0.1")
    told = [
        sent(opener(target)(), target)
        for target in (
            TargetSettings(url=url, ca_file=authority[1], authority="models.test"),
            TargetSettings(url=url, ca_file=authority[1]),
        )
    ]

    assert [None, True] == [told[0], told[1].startswith("connection: ")]


def opener(target):
    return HttpLoadTransport.opener(target) if target.url.startswith("http") else GrpcLoadTransport.opener(target, 1)


def sent(transport, target):
    """What became of one request of blank images."""
    batch = ImageBatch(images=np.zeros((1, 28, 28, 1), np.uint8), labels=np.zeros(1, np.int64), weight=1)
    (request,) = prepare(target, [batch])
    with closing(transport):
        return transport.send(request, timeout_s=10.0, check=True)
