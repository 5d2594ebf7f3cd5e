"""`slipway check`, against a Triton that answers on demand."""

import contextlib
import json
import socket
import ssl
import threading

import grpc
import numpy as np
import pytest
import trustme
import typer
from PIL import Image
from typer.testing import CliRunner

from slipway.cli._check import CheckInvalid, ChecksFailed, check
from slipway.connection_options import ConnectionUnclear
from tests.unit.fake_triton import FakeTriton

METRICS = """\
# HELP nv_inference_request_success Number of successful inference requests, all batch sizes
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="mnist",version="1"} 1
nv_inference_request_duration_us{model="mnist",version="1"} 812
nv_inference_pending_request_count{model="mnist",version="1"} 0
"""


@pytest.fixture
def slipway():
    """Run `slipway check` with arguments; returns its lines and what it raised, or None."""
    app = typer.Typer()
    app.command()(check)

    def run(*arguments):
        result = CliRunner().invoke(app, list(map(str, arguments)))
        return result.output.splitlines(), result.exception

    return run


@pytest.fixture
def three(tmp_path):
    """A picture that the fake calls "3"."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[0, 0] = 3
    Image.fromarray(pixels).save(tmp_path / "three.png")
    return tmp_path / "three.png"


@pytest.fixture
def metrics_url(open_http):
    """Serve a metrics page: `metrics_url(text)` returns its address."""

    def serve(page):
        fake = FakeTriton()
        fake.page = page.encode()
        return f"{open_http(fake)}/metrics"

    return serve


def test_deployment_as_expected_passes_every_check(fake, slipway, three, metrics_url):
    page = metrics_url(METRICS)
    lines, error = slipway(fake.url, "--version", 1, "--image", three, "--expect", 3, "--metrics-url", page)

    assert error is None
    assert [
        f"✓ ready at {fake.url}: the model is ready",
        f"✓ version at {fake.url}: version 1 answers",
        f"✓ answer at {fake.url}: {three} is 3 (100.00%)",
        f"✓ metrics at {page}: 3 of 3 series that autoscaling reads are present",
    ] == lines


def test_without_a_picture_a_black_one_shows_that_the_model_answers(fake, slipway):
    lines, error = slipway(fake.url)

    assert error is None
    assert f"✓ answer at {fake.url}: version 1 answers a black picture with 0 (100.00%)" == lines[-1]
    assert [(1, 28, 28, 1)] == [batch.shape for batch in fake.batches]


def test_every_address_is_asked(unserved, open_grpc, open_http, slipway):
    urls = open_grpc(unserved), open_http(unserved)
    lines, error = slipway(*urls)

    assert error is None
    assert [f"✓ ready at {url}: the model is ready" for url in urls] == lines[::2]


def test_wrong_label_fails_and_names_both(fake, slipway, three):
    lines, error = slipway(fake.url, "--image", three, "--expect", "5")

    assert isinstance(error, ChecksFailed)
    assert 1 == error.exit_status
    assert f"✗ answer at {fake.url}: expected 5 for {three}, got 3 (100.00%): is this the right model" in lines[-1]


def test_label_that_the_model_does_not_have_is_shown_those_that_it_has(fake, slipway, three):
    lines, error = slipway(fake.url, "--image", three, "--expect", "three")

    assert isinstance(error, ChecksFailed)
    assert "not a label of this model: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9" in lines[-1]


def test_wrong_version_fails_and_the_answer_is_judged_all_the_same(fake, slipway):
    lines, error = slipway(fake.url, "--version", 2)

    assert "1 of 3 checks failed" == str(error)
    assert f"✗ version at {fake.url}: expected version 2 to answer, got 1: is the new version published" in lines[1]
    assert lines[2].startswith("✓ answer")


def test_model_that_stays_unready_fails_with_the_reason_and_is_asked_nothing_more(fake, slipway):
    fake.ready, fake.states = False, [{"name": "mnist", "version": "1", "state": "LOADING"}]
    lines, error = slipway(fake.url, "--wait-s", 0.1)

    assert "1 of 1 checks failed" == str(error)
    assert f"✗ ready: model 'mnist' at {fake.url}: the server is loading the model" in lines[0]
    assert 0 == fake.asked["infer"]


def test_one_address_that_is_down_does_not_hide_the_other(fake, silent_url, slipway):
    lines, error = slipway(silent_url, fake.url, "--wait-s", 0.1)

    assert "1 of 3 checks failed" == str(error)
    assert "Connection refused; is the server running?" in lines[0]
    assert ["✗", "✓", "✓"] == [line[0] for line in lines]


def test_answer_that_fails_is_a_failed_check(fake, slipway):
    fake.fail(grpc.StatusCode.INTERNAL, 500, "out of memory")
    lines, error = slipway(fake.url)

    assert "1 of 2 checks failed" == str(error)
    assert f"✗ answer: model 'mnist' at {fake.url}: the server failed: out of memory" == lines[-1]


@pytest.mark.parametrize("broken", [np.float32(0.5), np.float32("nan")], ids=["half", "nan"])
def test_answer_whose_probabilities_do_not_add_up_fails(fake, slipway, broken):
    fake.mangle = lambda probabilities: probabilities * broken
    lines, error = slipway(fake.url)

    assert isinstance(error, ChecksFailed)
    assert "expected probabilities that add up to 1, got" in lines[-1]


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


def test_json_is_one_list_for_machines(grpc_fake, slipway):
    lines, error = slipway(grpc_fake.url, "--version", 2, "--json")
    records = json.loads("\n".join(lines))

    assert isinstance(error, ChecksFailed)
    assert [("ready", True), ("version", False), ("answer", True)] == [(r["check"], r["passed"]) for r in records]
    assert {grpc_fake.url} == {record["url"] for record in records}


@pytest.mark.parametrize("half", [("--image", "three.png"), ("--expect", "3")], ids=["image", "expect"])
def test_picture_without_its_label_is_refused_before_anybody_is_asked(grpc_fake, slipway, half):
    lines, error = slipway(grpc_fake.url, *half)

    assert isinstance(error, CheckInvalid)
    assert 2 == error.exit_status
    assert [] == lines
    assert not grpc_fake.asked


def test_address_without_a_protocol_is_refused_before_anybody_is_asked(grpc_fake, slipway):
    _, error = slipway(grpc_fake.url, "localhost:8001")

    assert isinstance(error, ConnectionUnclear)
    assert 2 == error.exit_status
    assert "write grpc://localhost:8001" in str(error)
    assert not grpc_fake.asked


def test_picture_that_is_not_there_is_refused_before_anybody_is_asked(grpc_fake, slipway, tmp_path):
    _, error = slipway(grpc_fake.url, "--image", tmp_path / "seven.png", "--expect", "7")

    assert isinstance(error, CheckInvalid)
    assert f"no file {tmp_path / 'seven.png'}" in str(error)
    assert not grpc_fake.asked


def test_metrics_are_read_over_http_only(grpc_fake, slipway):
    _, error = slipway(grpc_fake.url, "--metrics-url", grpc_fake.url)

    assert "--metrics-url: expected http:// or https://" in str(error)
    assert not grpc_fake.asked


def test_help_shows_an_example(slipway):
    assert any("Example: slipway check grpc://" in line for line in slipway("--help")[0])


def test_options_of_the_connection_reach_the_server(fake, slipway, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "s3cret\n")
    arguments = ("--header", "X-Team: vision", "--header", "X-Run:7", "--authority", "models.example:80")
    lines, error = slipway(fake.url, *arguments, "--token-env", "MY_TOKEN", "--timeout-s", "none")

    assert error is None
    for headers in fake.headers:
        assert ("vision", "7", "Bearer s3cret") == (headers["x-team"], headers["x-run"], headers["authorization"])
        assert "models.example:80" == headers["host"]
    assert "s3cret" not in "".join(lines)


UNCLEAR = {
    "header": (("--header", "X-Secret=s3cret"), "--header: expected 'Name: value'"),
    "header-twice": (("--header", "A: s3cret", "--header", "a: s3cret"), "expected each name once"),
    "reserved": (("--header", "Authorization: s3cret"), "use token="),
    "value": (("--header", "A: s3cret\u00e9"), "expected printable ASCII"),
    "authority": (("--authority", "a b"), "authority: expected host or host:port"),
    "token": (("--token-env", "NO_SUCH_VARIABLE"), "expected a token in the variable NO_SUCH_VARIABLE"),
    "key-alone": (("--key-file", "nothing.pem"), "expected both or none"),
    "no-file": (("--ca-file", "nothing.pem"), "ca_file: expected a PEM file, got nothing.pem"),
    "metrics": (("--metrics-url", "grpc://localhost:8002"), "--metrics-url: expected http:// or https://"),
}


@pytest.mark.parametrize(("arguments", "message"), UNCLEAR.values(), ids=UNCLEAR)
def test_option_that_is_not_clear_exits_with_2_and_nobody_is_asked(grpc_fake, slipway, arguments, message):
    _, error = slipway(grpc_fake.url, *arguments)

    assert 2 == error.exit_status
    assert message in str(error)
    assert "s3cret" not in str(error)
    assert [] == grpc_fake.headers


@pytest.mark.parametrize("text", ["-1", "nan", "soon"])
def test_time_limit_that_is_none_is_refused_by_the_command_line(grpc_fake, slipway, text):
    lines, error = slipway(grpc_fake.url, "--timeout-s", text)

    assert 2 == error.code
    assert "expected seconds, or 0" in " ".join(lines)


def test_certificates_named_in_vain_are_refused(grpc_fake, slipway, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    _, error = slipway(grpc_fake.url, "--ca-file", tmp_path / "ca.pem")

    assert "expected a URL with grpcs:// or https://, got none" in str(error)


def test_authority_of_the_command_line_is_trusted(unserved, open_http, slipway, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    url = open_http(unserved, context)
    _, error = slipway(url, "--ca-file", tmp_path / "ca.pem")
    lines, refused = slipway(url)

    assert error is None
    assert isinstance(refused, ChecksFailed)
    assert "name its authority with Tls(ca_file=...)" in lines[0]


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
