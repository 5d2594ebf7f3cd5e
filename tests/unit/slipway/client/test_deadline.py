"""No call outlives its deadline, whatever the other side does; and the time that it has is used."""

import contextlib
import math
import socket
import threading
from urllib.parse import urlsplit

import numpy as np
import pytest

from slipway.client import DeadlineExceeded, KeepAlive, RetryPolicy, ServerUnavailable
from tests.unit.client_variants import VARIANTS, call, using
from tests.unit.fake_triton import HttpHandler, HttpServer
from tests.unit.relay import Relay

ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


@pytest.fixture
def odd_server():
    """A server that says the same to everyone: `odd_server(say)` returns its URL; `say(connection, over)`."""
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()
    threads = []

    def serve(say):
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=answer, args=(connection, say)))
            threads[-1].start()

    def answer(connection, say):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)  # for a client that opens a connection and says nothing
            connection.recv(65536)
            say(connection, over)

    def start(say):
        threads.append(threading.Thread(target=serve, args=(say,)))
        threads[-1].start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    over.set()
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    for thread in threads:
        thread.join()


def drip_headers(connection, over):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not over.wait(0.02):
        connection.sendall(b"X-Drip: 1\r\n")


def continue_for_ever(connection, over):
    while not over.wait(0.001):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def drip_body(connection, over):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not over.wait(0.02):
        connection.sendall(b" ")


def say_nothing(_, over):
    over.wait(60)


@pytest.mark.parametrize("say", [drip_headers, continue_for_ever, drip_body, say_nothing])
def test_server_that_never_comes_to_an_end_is_given_up_at_the_deadline(odd_server, say, variant):
    with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.3 s"):
        call(variant, odd_server(say), "contract", timeout_s=0.3)


@pytest.mark.parametrize("scheme", ["https", "grpcs", "grpc"])
def test_handshake_without_an_end_is_given_up_at_the_deadline(odd_server, scheme, variant):
    url = odd_server(say_nothing).replace("http", scheme).replace("httpss", "https")
    with pytest.raises(DeadlineExceeded):
        call(variant, url, "contract", timeout_s=0.3, retry=ONCE)


def test_name_that_is_looked_up_for_ever_is_given_up_at_the_deadline(monkeypatch, variant):
    over, waited_to_its_end = threading.Event(), []
    real = socket.getaddrinfo

    def look_up(host, port, *arguments, **options):
        if host not in ("models.example", b"models.example"):
            return real(host, port, *arguments, **options)
        if options.get("flags", 0) & socket.AI_NUMERICHOST:  # asks no server
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        if not over.wait(30):
            waited_to_its_end.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        with pytest.raises(DeadlineExceeded):
            call(variant, "http://models.example:8000", "contract", timeout_s=0.3, retry=ONCE)
    finally:
        over.set()

    assert [] == waited_to_its_end


@pytest.fixture
def dead_addresses():
    """Six addresses at one port, where a connection is neither taken nor refused."""
    with contextlib.ExitStack() as stack:
        port, addresses = 0, []
        for number in range(2, 8):
            listening = stack.enter_context(socket.socket())
            listening.bind((f"127.0.0.{number}", port))
            port = listening.getsockname()[1]
            listening.listen(0)
            addresses.append(listening.getsockname())
            for _ in range(4):  # until nothing fits in its queue
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(addresses[-1])
        yield addresses


@pytest.fixture
def living_address(dead_addresses, unserved):
    """One more, at the same port, where a FakeTriton answers."""
    port = dead_addresses[0][1]
    server = HttpServer(("127.0.0.8", port), type("Handler", (HttpHandler,), {"fake": unserved}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address
    server.shutdown()
    thread.join()
    server.server_close()


def name_of(addresses, monkeypatch):
    real = socket.getaddrinfo

    def look_up(host, port, *arguments, **options):
        if host not in ("models.example", b"models.example"):
            return real(host, port, *arguments, **options)
        if options.get("flags", 0) & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where) for where in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_dead_addresses_behind_one_name_share_the_deadline(dead_addresses, monkeypatch, variant):
    name_of(dead_addresses, monkeypatch)
    with pytest.raises(DeadlineExceeded):
        call(variant, f"http://models.example:{dead_addresses[0][1]}", "contract", timeout_s=0.5, retry=ONCE)


def test_address_behind_dead_ones_is_reached_in_time(dead_addresses, living_address, monkeypatch, variant):
    name_of([*dead_addresses, living_address], monkeypatch)
    url = f"http://models.example:{living_address[1]}"

    assert "mnist" == call(variant, url, "contract", timeout_s=5).name


def test_each_address_of_a_name_says_why_it_failed(monkeypatch, variant):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        name_of([("127.0.0.1", unused.getsockname()[1]), ("255.255.255.255", 1)], monkeypatch)
        with pytest.raises(ServerUnavailable, match=r"127\.0\.0\.1:\d+: Connection refused.*255\.255\.255\.255:1: "):
            call(variant, "http://models.example:8000", "contract", retry=ONCE)


@pytest.mark.parametrize("timeout_s", [None, math.inf, 1e12, np.float32(30), 7])
def test_long_time_and_no_limit_are_taken(fake, digits, variant, timeout_s):
    with_none = call(variant, fake.url, "predict", digits([1]), timeout_s=timeout_s)
    in_call = using(
        variant, fake.url, lambda ask: (ask("wait_ready", timeout_s), ask("predict", digits([2]), timeout_s=timeout_s))
    )

    assert (("1",), ("2",)) == (with_none.labels, in_call[1].labels)


@pytest.mark.parametrize("timeout_s", [0, -1, math.nan, True, "5", b"6", [5], -math.inf, 1j])
def test_time_that_is_none_is_refused(fake, digits, variant, timeout_s):
    with pytest.raises(ValueError, match="timeout_s: expected seconds > 0"):
        call(variant, fake.url, "predict", digits([1]), timeout_s=timeout_s)
    with pytest.raises(ValueError, match="timeout_s: expected seconds > 0"):
        using(variant, fake.url, lambda ask: ask("predict", digits([1]), timeout_s=timeout_s))

    assert {} == fake.asked


def test_no_limit_is_told_to_no_server(fake, digits, variant):
    call(variant, fake.url, "predict", digits([1]), timeout_s=None)

    assert [0] == fake.timeouts_us


def test_connection_that_was_forgotten_on_the_way_is_replaced(fake, digits, variant):
    relay = Relay(urlsplit(fake.url).port)

    def use(ask):
        ask("predict", digits([1]), timeout_s=10)
        relay.forget()
        for failures in range(4):
            with contextlib.suppress(DeadlineExceeded):
                return failures, ask("predict", digits([2]), timeout_s=2).labels
        return None

    try:
        failures, labels = using(
            variant, fake.url.replace(str(relay.upstream), str(relay.port)), use, retry=ONCE, max_contract_age_s=None
        )
    finally:
        relay.close()

    assert 1 <= failures <= 2
    assert ("2",) == labels


def test_call_without_limit_notices_that_its_connection_was_forgotten(unserved, open_grpc, digits, variant):
    relay = Relay(urlsplit(open_grpc(unserved)).port)

    def use(ask):
        ask("predict", digits([1]), timeout_s=10)
        relay.forget()
        return ask("predict", digits([2]), timeout_s=math.inf).labels

    try:
        labels = using(variant, f"grpc://127.0.0.1:{relay.port}", use, keepalive=KeepAlive(interval_s=1, timeout_s=1))
    finally:
        relay.close()

    assert ("2",) == labels
    assert 2 == relay.opened


@pytest.mark.parametrize(
    ("option", "value"), [("interval_s", 0.5), ("timeout_s", 0), ("interval_s", math.inf), ("timeout_s", math.nan)]
)
def test_keepalive_out_of_range_is_refused(option, value):
    with pytest.raises(ValueError, match=f"{option}: expected seconds"):
        KeepAlive(**{option: value})
