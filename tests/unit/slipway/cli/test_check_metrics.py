"""`slipway check`: the metrics of a deployment, and pages that are none."""

import contextlib
import socket
import threading

import grpc
import pytest

from slipway.cli._check import ChecksFailed
from tests.unit.fake_triton import FakeTriton
from tests.unit.metrics_pages import METRICS


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (
            METRICS.replace("nv_inference_pending", "nv_other"),
            "expected nv_inference_pending_request_count of model mnist",
        ),
        (METRICS.replace('"mnist"', '"cifar"'), "of model mnist, got those of cifar: check --model"),
        (
            METRICS.replace("_count{", "_count_total{"),
            "got only other series of it: autoscaling needs these, use a newer tritonserver",
        ),
        ("<html>hello</html>", "is this Triton's metrics port? (8002)"),
    ],
    ids=["one missing", "another model", "longer name", "no metrics"],
)
def test_missing_series_fail_and_are_named(grpc_fake, slipway, metrics_url, page, words):
    lines, error = slipway(grpc_fake.url, "--metrics-url", metrics_url(page))

    assert "1 of 3 checks failed" == str(error)
    assert lines[-1].startswith("✗ metrics at http://127.0.0.1:")
    assert words in lines[-1]


def test_metrics_that_nobody_serves_fail_with_the_port_to_look_at(grpc_fake, slipway):
    lines, error = slipway(grpc_fake.url, "--metrics-url", "http://127.0.0.1:1/metrics")

    assert isinstance(error, ChecksFailed)
    assert "Connection refused; is this Triton's metrics port? (8002)" in lines[-1]


def test_metrics_page_that_is_not_found_is_not_read(grpc_fake, open_http, slipway):
    other = FakeTriton()
    other.config_fault = (grpc.StatusCode.NOT_FOUND, 404, METRICS)
    lines, error = slipway(grpc_fake.url, "--metrics-url", f"{open_http(other)}/v2/models/mnist/config")

    assert isinstance(error, ChecksFailed)
    assert "expected Triton's metrics, got HTTP status 404, " in lines[-1]


def test_page_for_people_is_not_a_server_that_is_ready(unserved, open_http, slipway):
    unserved.page = b"<!doctype html><title>Sign in</title>\x1b[2J"
    lines, error = slipway(open_http(unserved))

    assert isinstance(error, ChecksFailed)
    assert "not a V2 inference server" in lines[0]
    assert "HTTP status 200, text/html: <!doctype html><title>Sign in</title>\\x1b[2J" in lines[0]


@pytest.fixture
def endless_page():
    """The address of a page that never ends, made of so many bytes at a time."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve(chunk):
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
            while not ended.wait(0 if len(chunk) > 1 else 0.02):
                connection.sendall(chunk)

    threads = []

    def start(chunk):
        threads.append(threading.Thread(target=serve, args=(chunk,)))
        threads[-1].start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/metrics"

    yield start
    ended.set()
    listening.close()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("chunk", "message"),
    [(b"#", "no answer within 0.4 s"), (b"a" * (1 << 20), "expected an answer of at most 16777216 bytes, got more")],
    ids=["drips", "floods"],
)
def test_metrics_page_without_an_end_is_given_up(grpc_fake, slipway, endless_page, chunk, message):
    timeout_s = 0.4 if len(chunk) == 1 else 30
    lines, error = slipway(
        grpc_fake.url, "--metrics-url", endless_page(chunk), "--timeout-s", timeout_s, "--wait-s", timeout_s
    )

    assert isinstance(error, ChecksFailed)
    assert message in lines[-1]


def test_metrics_page_of_one_long_word_is_read_at_once(grpc_fake, slipway, metrics_url):
    lines, error = slipway(grpc_fake.url, "--metrics-url", metrics_url("a{" + "b" * 4_000_000 + "} 1\n" + METRICS))

    assert error is None
    assert "3 of 3 series" in lines[-1]
