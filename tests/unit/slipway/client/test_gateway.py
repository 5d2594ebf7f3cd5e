"""What a gateway, a certificate or another server of the protocol needs: the same for both protocols and variants."""

import datetime as dt
import gzip

import grpc
import numpy as np
import pytest
import trustme

from slipway.client import (
    ClientError,
    ModelNotFound,
    RetryPolicy,
    ServerError,
    ServerUnavailable,
    Tls,
    UnsupportedModel,
)
from tests.unit.client_variants import VARIANTS, call
from tests.unit.fake_triton import HttpHandler

ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


def test_headers_and_authority_travel_with_every_question(fake, digits, variant):
    call(variant, fake.url, "predict", digits([1]), headers={"X-Team": "vision"}, authority="models.example:80")

    assert [("vision", "models.example:80")] * 2 == [(asked["x-team"], asked["host"]) for asked in fake.headers]


@pytest.fixture(params=["grpc", "http"])
def secured(request, unserved):
    """Serve a FakeTriton behind TLS: `secured(certificate)` returns its URL."""
    start = request.getfixturevalue(f"open_{request.param}")

    def serve(certificate):
        if request.param == "grpc":
            chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
            credentials = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
            return start(unserved, credentials).replace("localhost", "127.0.0.1")
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return start(unserved, context).replace("localhost", "127.0.0.1")

    return serve


@pytest.fixture
def authority(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return authority


def test_certificate_file_may_be_a_string(secured, authority, tmp_path, digits, variant):
    url = secured(authority.issue_cert("127.0.0.1"))

    assert ("5",) == call(variant, url, "predict", digits([5]), tls=Tls(ca_file=str(tmp_path / "ca.pem"))).labels


def test_certificate_must_carry_the_authority(secured, authority, tmp_path, digits, variant):
    url = secured(authority.issue_cert("models.example"))
    tls = Tls(ca_file=tmp_path / "ca.pem")
    with pytest.raises(ServerUnavailable, match="its certificate is for another name") as caught:
        call(variant, url, "contract", tls=tls)

    assert 1 == len(caught.value.attempts)
    assert ("5",) == call(variant, url, "predict", digits([5]), tls=tls, authority="models.example").labels


def test_certificate_that_has_expired_is_said_to_have(secured, authority, tmp_path, variant):
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    url = secured(authority.issue_cert("127.0.0.1", not_after=past))
    with pytest.raises(ServerUnavailable, match="has expired: renew it there") as caught:
        call(variant, url, "contract", tls=Tls(ca_file=tmp_path / "ca.pem"))

    assert 1 == len(caught.value.attempts)


def test_files_that_are_no_certificates_are_refused(authority, tmp_path):
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "text.pem").write_text("hello")
    mine = authority.issue_cert("me")
    mine.private_key_pem.write_to_path(tmp_path / "key.pem")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "me.pem")
    authority.issue_cert("other").private_key_pem.write_to_path(tmp_path / "other.pem")
    for options in (
        {"ca_file": tmp_path / "empty.pem"},
        {"ca_file": str(tmp_path / "text.pem")},
        {"ca_file": ""},
        {"certificate_file": tmp_path / "me.pem", "key_file": tmp_path / "other.pem"},
        {"certificate_file": tmp_path / "me.pem", "key_file": tmp_path / "empty.pem"},
    ):
        with pytest.raises(ValueError, match="expected"):
            Tls(**options)
    Tls(certificate_file=str(tmp_path / "me.pem"), key_file=str(tmp_path / "key.pem"))


@pytest.mark.parametrize("status", [(grpc.StatusCode.UNIMPLEMENTED, 404), (grpc.StatusCode.UNIMPLEMENTED, 405)])
def test_server_without_a_configuration_is_read_by_its_metadata(fake, digits, status, variant):
    fake.config_fault, fake.metadata_fault = (*status, "no such route"), None
    single = call(variant, fake.url, "predict", digits([3, 4]))
    pair = call(variant, fake.url, "predict", digits([3, 4]), max_batch_size=2)

    assert ("3", "4") == single.labels == pair.labels
    assert [1, 1, 2] == [len(batch) for batch in fake.batches]


def test_metadata_of_another_kind_of_model_are_refused_by_name(fake, variant):
    fake.config_fault, fake.metadata_fault = (grpc.StatusCode.UNIMPLEMENTED, 405, "no such route"), None
    fake.metadata = lambda: ([("x", "FP32", [-1, 3])], [("y", "FP32", [-1, 1])])
    with pytest.raises(UnsupportedModel, match=r"expected one input image UINT8 .* got \['x FP32 \[-1, 3\]'\]"):
        call(variant, fake.url, "contract")


def test_model_that_nobody_knows_stays_unknown_without_a_configuration(fake, variant):
    fake.config_fault = fake.metadata_fault = (grpc.StatusCode.NOT_FOUND, 404, "unknown model")
    fake.states = []
    with pytest.raises(ModelNotFound, match="it has: none at all"):
        call(variant, fake.url, "contract")


class Gateway(HttpHandler):
    """Compresses or replaces what FakeTriton answers."""

    def answer(self, body):
        status, headers, content = super().answer(body)
        if self.fake.coding == "gzip":
            return status, {**headers, "Content-Encoding": "gzip"}, gzip.compress(content)
        if self.fake.coding == "bomb":
            return status, {"Content-Encoding": "gzip"}, gzip.compress(b" " * (64 << 20))
        return self.fake.coding


@pytest.fixture
def through(unserved, open_http, monkeypatch):
    """A FakeTriton behind a gateway: `through(coding)` returns its URL."""
    monkeypatch.setattr("tests.unit.conftest.HttpHandler", Gateway)

    def start(coding):
        unserved.coding = coding
        return open_http(unserved)

    return start


def test_answer_that_a_gateway_compresses_is_read(through, digits, variant):
    assert ("4",) == call(variant, through("gzip"), "predict", digits([4])).labels


SAID = {
    "bomb": ("bomb", "expected an answer of at most 16777216 bytes, got more in gzip"),
    "garbage": ((200, {"Content-Encoding": "gzip"}, b"no gzip"), "expected an answer in gzip, got damaged bytes"),
    "brotli": ((200, {"Content-Encoding": "br"}, b"x"), "not compressed, or with gzip, got br"),
    "redirect": (
        (302, {"Location": "https://me:s3cret@login.example/?t=s3cret"}, b""),
        "redirect to https://…@login",
    ),
    "login": ((200, {"Content-Type": "text/html"}, b"<title>Sign in"), "HTTP status 200, text/html: <title>Sign in"),
    "ingress": (
        (404, {"Content-Type": "text/html"}, b"default backend"),
        "HTTP status 404, text/html: default backend",
    ),
    "empty-404": ((404, {}, b""), "HTTP status 404, no content type"),
}


@pytest.mark.parametrize(("coding", "message"), SAID.values(), ids=SAID)
@pytest.mark.parametrize("method", ["contract", "wait_ready"])
def test_what_came_instead_of_an_answer_is_said(through, coding, message, method, variant):
    with pytest.raises(ServerError) as caught:
        call(variant, through(coding), method, retry=ONCE)

    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


HOSTILE = {
    "pixels": {"dims": [70000, 70000, 3]},
    "classes": {"classes": 300_000_000},
    "labels": {"labels": "x" * 17_000_000},
    "deep": {"labels": "[" * 100_000},
    "no-list": {"labels": '{"a": 1}'},
    "numbers": {"labels": "[1, 2]"},
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_configuration_is_refused_before_anything_is_allocated(fake, hostile, variant):
    config = fake.config()
    if "dims" in hostile:
        config.input[0].dims[:] = hostile["dims"]
    if "classes" in hostile:
        config.output[0].dims[:] = [hostile["classes"]]
        del config.parameters["labels"]
    if "labels" in hostile:
        config.parameters["labels"].string_value = hostile["labels"]
    fake.config = lambda: config
    with pytest.raises(ClientError, match="expected") as caught:
        call(variant, fake.url, "contract", timeout_s=30)

    assert 600 > len(str(caught.value))


def test_answer_of_more_bytes_than_the_model_gives_is_not_taken(fake, digits, variant):
    fake.mangle = lambda _: np.full((1, 100_000), 1e-5, np.float32)
    with pytest.raises(ServerError, match="expected an answer of at most 65576 bytes, got"):
        call(variant, fake.url, "predict", digits([1]))
