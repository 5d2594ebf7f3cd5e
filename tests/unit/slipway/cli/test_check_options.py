"""`slipway check`: what its command line takes, and what it refuses before the server is asked."""

import ssl

import pytest
import trustme

from slipway.cli._check import CheckInvalid, ChecksFailed
from slipway.connection_options import ConnectionUnclear


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
