"""TLS, mutual TLS and bearer tokens."""

import itertools
import ssl

import grpc
import pytest
import trustme

from slipway.client import Classifier, InvalidAddress, RetryPolicy, ServerUnavailable, Tls

QUICK = RetryPolicy(max_attempts=2, base_backoff_s=0.001, max_backoff_s=0.001)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


@pytest.fixture(params=["grpc", "http"])
def secure(request, authority, unserved, open_grpc, open_http):
    """Start a FakeTriton behind TLS: `secure(client_certificates=False)`."""
    certificate = authority.issue_cert("localhost", "127.0.0.1")

    def start(*, client_certificates=False):
        if request.param == "grpc":
            pair = (certificate.private_key_pem.bytes(), b"".join(b.bytes() for b in certificate.cert_chain_pems))
            credentials = grpc.ssl_server_credentials(
                [pair],
                root_certificates=authority.cert_pem.bytes() if client_certificates else None,
                require_client_auth=client_certificates,
            )
            # By address: of a name with two addresses gRPC may report the one where no server listens.
            return open_grpc(unserved, credentials).replace("localhost", "127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        if client_certificates:
            context.verify_mode = ssl.CERT_REQUIRED
            authority.configure_trust(context)
        return open_http(unserved, context)

    return start


def test_server_of_a_trusted_authority_is_spoken_to(secure, ca_file, digits):
    with Classifier(secure(), model="mnist", tls=Tls(ca_file=ca_file)) as classifier:
        assert ("5",) == classifier.predict(digits([5])).labels


def test_server_of_an_unknown_authority_gets_nothing(secure, digits):
    with (
        Classifier(secure(), model="mnist", retry=QUICK) as classifier,
        pytest.raises(ServerUnavailable, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        classifier.predict(digits([5]))


@pytest.mark.parametrize("tls", [None, Tls()], ids=["no Tls", "empty Tls"])
def test_authorities_of_the_environment_are_trusted_in_place_of_the_public_ones(
    secure, ca_file, digits, monkeypatch, tls
):
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)  # gRPC's own variable goes first
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    with Classifier(secure(), model="mnist", tls=tls) as classifier:
        assert ("5",) == classifier.predict(digits([5])).labels


@pytest.fixture(params=[None, "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"], ids=["none", "text", "cut"])
def unreadable(request, tmp_path, monkeypatch):
    """The environment names a file of authorities that is none."""
    if request.param is not None:
        (tmp_path / "ca.pem").write_text(request.param)
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


@pytest.mark.parametrize("tls", [None, Tls()], ids=["no Tls", "empty Tls"])
@pytest.mark.parametrize("protocol", ["grpcs", "https"])
@pytest.mark.usefixtures("unreadable")
def test_authorities_of_the_environment_that_cannot_be_read_are_refused_by_their_variable(digits, protocol, tls):
    with (
        Classifier(f"{protocol}://127.0.0.1:9", model="mnist", tls=tls) as classifier,
        pytest.raises(InvalidAddress, match=r"SSL_CERT_FILE: expected certificates in PEM, got .*ca\.pem"),
    ):
        classifier.predict(digits([5]))


def test_client_shows_its_own_certificate(secure, authority, ca_file, tmp_path, digits):
    mine = authority.issue_cert("client.example")
    mine.private_key_pem.write_to_path(tmp_path / "key.pem")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    tls = Tls(ca_file=ca_file, certificate_file=tmp_path / "certificate.pem", key_file=tmp_path / "key.pem")
    with Classifier(secure(client_certificates=True), model="mnist", tls=tls) as classifier:
        assert ("5",) == classifier.predict(digits([5])).labels


def test_token_travels_with_every_question(fake, digits):
    with Classifier(fake.url, model="mnist", token="s3cret\n") as classifier:
        classifier.wait_ready()
        classifier.predict(digits([1]))

    assert ["Bearer s3cret"] * 3 == fake.authorizations


def test_no_token_no_header(fake, digits):
    with Classifier(fake.url, model="mnist") as classifier:
        classifier.predict(digits([1]))

    assert [None, None] == fake.authorizations


def test_current_token_is_asked_for_before_each_try(fake, digits):
    fake.fail(grpc.StatusCode.UNAVAILABLE, 503, "Exceeds maximum queue size", times=1)
    numbers = itertools.count(1)
    with Classifier(fake.url, model="mnist", token=lambda: f"token-{next(numbers)}", retry=QUICK) as classifier:
        classifier.predict(digits([1]))

    assert ["Bearer token-1", "Bearer token-2", "Bearer token-3"] == fake.authorizations
