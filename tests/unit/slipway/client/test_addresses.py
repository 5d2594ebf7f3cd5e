"""A name with several addresses, over gRPC: the error tells of each."""

import socket

import grpc
import pytest
import trustme

from slipway.client import Classifier, RetryPolicy, ServerUnavailable, Tls
from slipway.platform.ports import free_port
from tests.unit.client_variants import VARIANTS, call

ONCE = RetryPolicy(max_attempts=1)
NAME = "127.0.0.2"  # gRPC's own resolver needs no name for it; what else it stands for is `several`'s business


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


@pytest.fixture
def several(monkeypatch):
    """`several(*addresses)`: those that `NAME` has. gRPC itself knows the first only: that is the one it tells of."""
    real, asked = socket.getaddrinfo, []

    def name(*addresses):
        def look_up(host, port, *arguments, **options):
            if host != NAME:
                return real(host, port, *arguments, **options)
            asked.append(host)
            found = [real(address, port, *arguments, **options) for address in (NAME, *addresses)]
            return [line for lines in found for line in lines]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return name


def failed(variant, url, **options):
    with pytest.raises(ServerUnavailable) as caught:
        call(variant, url, "contract", retry=ONCE, timeout_s=10, **options)
    return str(caught.value)


def test_an_untrusted_certificate_is_not_hidden_by_the_address_where_nothing_listens(
    variant, several, unserved, open_grpc, tmp_path
):
    certificate = trustme.CA().issue_cert("localhost", NAME)
    other = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(other)
    pair = (certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())
    port = open_grpc(unserved, grpc.ssl_server_credentials([pair])).rpartition(":")[2]
    several("127.0.0.1")

    said = failed(variant, f"grpcs://{NAME}:{port}", tls=Tls(ca_file=other))

    assert f"{NAME}:{port}: Connection refused; 127.0.0.1:{port}: " in said
    assert "CERTIFICATE_VERIFY_FAILED" in said
    assert "name its authority with Tls(ca_file=...)" in said


def test_a_certificate_of_the_name_is_taken_at_each_of_its_addresses(several, unserved, open_grpc, tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert(NAME)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    pair = (certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())
    port = open_grpc(unserved, grpc.ssl_server_credentials([pair])).rpartition(":")[2]
    several("127.0.0.1")

    said = failed("sync", f"grpcs://{NAME}:{port}", tls=Tls(ca_file=tmp_path / "ca.pem"))

    assert f"127.0.0.1:{port}: the server responds" in said


def test_addresses_that_fail_alike_are_named_with_one_reason(variant, several):
    port = free_port()
    several("127.0.0.3", "::1")

    said = failed(variant, f"grpc://{NAME}:{port}")

    assert f"{NAME}:{port}, 127.0.0.3:{port}, [::1]:{port}: Connection refused; is the server running?" in said


def test_an_address_that_never_answers_is_waited_for_no_longer_than_the_call(variant, several):
    with socket.socket() as silent:
        silent.bind(("127.0.0.3", 0))
        silent.listen()
        port = silent.getsockname()[1]
        several("127.0.0.3")

        said = failed(variant, f"grpc://{NAME}:{port}")

    assert f"{NAME}:{port}: Connection refused; 127.0.0.3:{port}: no answer in time" in said


def test_calls_that_fail_one_after_the_other_look_once(several):
    asked = several("127.0.0.3")
    with Classifier(f"grpc://{NAME}:{free_port()}", model="mnist", retry=ONCE) as classifier:
        for _ in range(3):
            with pytest.raises(ServerUnavailable, match=r"127\.0\.0\.3"):
                classifier.contract()

    assert [NAME] == asked


def test_waiting_for_a_server_ends_with_each_address_or_with_the_last(variant, several):
    port = free_port()
    several("127.0.0.3")

    with pytest.raises(ServerUnavailable, match=f"{NAME}:{port}.*: Connection refused"):
        call(variant, f"grpc://{NAME}:{port}", "wait_ready", 0.5)
