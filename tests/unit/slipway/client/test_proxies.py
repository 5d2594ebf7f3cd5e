"""Which proxy of the environment stands in between: one rule for both protocols."""

import base64
import socket
import threading

import pytest

from slipway.client import Classifier, ClientError, InvalidAddress, RetryPolicy
from slipway.client.wire import parse_address, proxy_for
from tests.unit.client_variants import VARIANTS, call

VARIABLES = [f"{name}_proxy" for name in ("http", "https", "all", "no", "grpc")]
ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


RULES = {
    "nothing": ({}, "http://models.example", None),
    "http": ({"http_proxy": "http://p:3128"}, "http://models.example", "p:3128"),
    "grpc-as-http": ({"HTTP_PROXY": "http://p:3128"}, "grpc://models.example:8001", "p:3128"),
    "https": ({"HTTPS_PROXY": "p:3128", "http_proxy": "http://other:1"}, "https://models.example", "p:3128"),
    "grpcs-as-https": ({"https_proxy": "http://p:3128"}, "grpcs://models.example:443", "p:3128"),
    "all": ({"ALL_PROXY": "http://p:3128"}, "grpc://models.example:8001", "p:3128"),
    "own-before-all": ({"ALL_PROXY": "http://other:1", "http_proxy": "http://p:3128"}, "http://a", "p:3128"),
    "no-port": ({"http_proxy": "http://p"}, "http://models.example", "p:80"),
    "no-proxy": ({"http_proxy": "http://p:1", "no_proxy": "example"}, "grpc://models.example:8001", None),
    "no-proxy-for-all": ({"http_proxy": "http://p:1", "NO_PROXY": "*"}, "http://models.example", None),
    "no-proxy-network": ({"http_proxy": "http://p:1", "no_proxy": "a, 10.0.0.0/8"}, "grpc://10.1.2.3:8001", None),
    "no-proxy-other-network": ({"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, "http://192.168.0.1", "p:1"),
    "no-proxy-network-6": ({"http_proxy": "http://p:1", "NO_PROXY": "fd00::/8"}, "http://[fd12::1]:8000", None),
    "no-proxy-address-6": ({"http_proxy": "http://p:1", "NO_PROXY": "[fd12::1]"}, "grpc://[fd12::1]:8001", None),
    "no-proxy-star": ({"http_proxy": "http://p:1", "no_proxy": "*.svc,b"}, "http://mnist.team.svc:8000", None),
    "no-proxy-no-address": ({"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, "http://10.example.com", "p:1"),
    "localhost": ({"http_proxy": "http://p:1"}, "grpc://localhost:8001", None),
    "loopback": ({"http_proxy": "http://p:1"}, "http://127.1.2.3:8000", None),
    "loopback-6": ({"https_proxy": "http://p:1"}, "grpcs://[::1]:8001", None),
    "not-loopback": ({"http_proxy": "http://p:1"}, "http://127.example.com:8000", "p:1"),
}


@pytest.mark.parametrize(("environment", "url", "expected"), RULES.values(), ids=RULES)
def test_proxy_is_chosen_by_one_rule(clean, environment, url, expected):
    for name, value in environment.items():
        clean.setenv(name, value)
    proxy = proxy_for(parse_address(url))

    assert expected == (None if proxy is None else str(proxy))


@pytest.mark.parametrize("url", ["http://models.example", "grpc://models.example:8001"])
@pytest.mark.parametrize("value", ["socks5://me:s3cret@p:1080", "http://:80", "http://[::1:80", "https://me:s3cret@p"])
def test_proxy_of_another_kind_is_refused_by_its_variable_and_without_its_password(clean, url, value):
    clean.setenv("ALL_PROXY", value)
    with (
        Classifier(url, model="mnist") as classifier,
        pytest.raises(InvalidAddress, match="ALL_PROXY: expected") as caught,
    ):
        classifier.contract()

    assert "s3cret" not in str(caught.value)


@pytest.fixture
def proxy():
    """A proxy that notes the first line and the headers of one connection, and refuses."""
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with connection:
                heard.append(connection.recv(65536).decode())
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://me:s3cret@127.0.0.1:{listening.getsockname()[1]}", heard
        thread.join(10)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("url", "first"),
    [
        ("http://models.example:8000", "GET http://models.example:8000/v2/models/mnist/config HTTP/1.1"),
        ("https://models.example", "CONNECT models.example:443 HTTP/1.1"),
        ("grpc://models.example:8001", "CONNECT models.example:8001 HTTP/1.1"),
        ("grpcs://models.example:8001", "CONNECT models.example:8001 HTTP/1.1"),
    ],
)
def test_both_protocols_and_both_variants_go_through_the_proxy_and_keep_its_password(clean, proxy, url, first, variant):
    proxy_url, heard = proxy
    clean.setenv("ALL_PROXY", proxy_url)
    with pytest.raises(ClientError) as caught:
        call(variant, url, "contract", retry=ONCE, timeout_s=10)

    assert first == heard[0].splitlines()[0]
    assert f"proxy-authorization: basic {base64.b64encode(b'me:s3cret').decode()}".lower() in heard[0].lower()
    assert "s3cret" not in repr(caught.value)
