import pytest

from slipway.client import Classifier, ClientError, InvalidAddress, RetryPolicy, Tls


@pytest.mark.parametrize(
    "url", ["grpc://host:8001", "grpcs://host:8001", "http://host:8000", "https://host/team/a", "grpc://[::1]:8001"]
)
def test_address_of_a_known_protocol_is_taken(url):
    Classifier(url, model="mnist").close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:8001", r"write grpc://localhost:8001 .* or http://localhost:8001"),
        ("ftp://localhost:8001", "expected grpc://, grpcs://, http:// or https://, got ftp://"),
        ("grpc://localhost", "expected grpc://host:port, as in grpc://localhost:8001"),
        ("grpc://localhost:8001/v2", "expected grpc://host:port"),
        ("grpc://:8001", "expected grpc://host:port and no user"),
        ("http://me@host:8000", "no user, query or fragment"),
        ("http://host:eight", "Port could not be cast"),
    ],
)
def test_address_without_protocol_host_or_port_is_refused_with_the_right_spelling(url, message):
    with pytest.raises(InvalidAddress, match=message) as caught:
        Classifier(url, model="mnist")

    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ClientError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout_s": 0}, "timeout_s: expected seconds > 0, got 0"),
        ({"version": 0}, "version: expected a number >= 1"),
        ({"tls": Tls()}, "tls: expected with grpcs:// or https:// only"),
    ],
)
def test_option_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Classifier("grpc://localhost:8001", model="mnist", **options)


def test_call_without_time_is_refused():
    with (
        Classifier("grpc://localhost:8001", model="mnist") as classifier,
        pytest.raises(ValueError, match="timeout_s: expected seconds > 0, got -1"),
    ):
        classifier.wait_ready(timeout_s=-1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_attempts": 0}, "max_attempts: expected >= 1"),
        ({"base_backoff_s": 2, "max_backoff_s": 1}, "expected 0 <= base_backoff_s <= max_backoff_s"),
        ({"budget_burst": -1}, "budget_ratio and budget_burst: expected >= 0"),
    ],
)
def test_retry_policy_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RetryPolicy(**options)


def test_tls_names_the_file_that_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"ca_file: expected a PEM file, got .*nothing\.pem"):
        Tls(ca_file=tmp_path / "nothing.pem")


def test_tls_wants_certificate_and_key_together(tmp_path):
    with pytest.raises(ValueError, match="expected both or none"):
        Tls(key_file=tmp_path)
