"""A store that cannot be reached, or answers something else, is not an empty one; and every question has an end."""

import resource
import signal
import ssl
import traceback

import pytest

pytest.importorskip("s3fs", reason="the extra `remote` is not installed")
pytest.importorskip("moto", reason="the dependency group `test` is not installed")

import fsspec
import trustme
from rich.console import Console
from typer.testing import CliRunner

from slipway.cli import app
from slipway.repository import PublishFailed, RemoteFailed, check_pushable, pull, push, verify
from slipway.repository._store import timeouts as patience
from tests.unit.digits_repository import publish_text
from tests.unit.odd_servers import folder_server, page, silent_server, web_server

QUIET = Console(quiet=True)
LOGIN = b"<html><form action='/login'>Log in</form><a href='/forgot'>Forgot?</a><a href='https://sso.example/x'>x</a>"


def slipway(*words):
    return CliRunner(env={"COLUMNS": "400"}).invoke(app, ["models", *map(str, words)])


@pytest.fixture
def s3_at(monkeypatch):
    """Lead S3 to another endpoint."""

    def lead(endpoint):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anybody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        return "s3://bucket/prod"

    yield lead
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_a_repository_behind_a_web_server_that_lists_folders_comes_whole(tmp_path):
    publish_text(tmp_path / "desk", "one")
    publish_text(tmp_path / "desk", "two")

    with folder_server(tmp_path / "desk") as url:
        (pulled,) = pull(tmp_path / "other", url, complete=True)

    assert (1, 2) == pulled.complete
    assert [1, 2] == [entry.version for entry in verify(tmp_path / "other", "digits")]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (page(200, LOGIN), "not a directory listing of a model repository"),
        (page(200, b"{}", "application/json"), "not a directory listing of a model repository"),
        (page(200, b""), "not a directory listing of a model repository"),
        (page(401), "rejects these credentials"),
        (page(403), "permission denied"),
        (page(404), "not found: check"),
        (page(500), "500"),
    ],
    ids=["login-page", "json", "nothing", "401", "403", "404", "500"],
)
def test_a_web_server_that_answers_something_else_is_no_empty_repository(tmp_path, answer, says):
    with web_server(answer) as server:
        with pytest.raises(RemoteFailed, match=says):
            pull(tmp_path / "other", f"{server.url}/models")
        result = slipway("pull", f"{server.url}/models", "-r", tmp_path / "other")

    assert 1 == result.exit_code
    assert "holds no version" not in result.output
    assert not (tmp_path / "other").exists()


def test_a_folder_that_a_web_server_will_not_list_is_no_empty_folder(tmp_path):
    def answer(handler):
        if handler.path.rstrip("/").endswith("models"):
            page(200, b"<a href='digits/'>digits/</a>")(handler)
        else:
            page(403)(handler)

    with web_server(answer) as server, pytest.raises(RemoteFailed, match="permission denied"):
        pull(tmp_path / "other", f"{server.url}/models")


def test_a_web_server_is_not_pushed_to(tmp_path):
    publish_text(tmp_path / "desk", "one")
    with folder_server(tmp_path) as url:
        for act in (lambda: push(tmp_path / "desk", f"{url}/desk"), lambda: check_pushable(url)):
            with pytest.raises(RemoteFailed, match="read-only, and can be pulled from only"):
                act()


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_an_address_without_a_server_is_an_error(tmp_path, s3_at, monkeypatch, scheme):
    monkeypatch.setattr("slipway.repository._store.remote_store._PAUSES_S", (0.0,))
    with web_server(page(200)) as server:
        gone = server.url

    with pytest.raises(RemoteFailed, match="no connection: check the endpoint"):
        pull(tmp_path / "other", f"{gone}/models" if scheme == "http" else s3_at(gone))


def test_an_empty_place_in_a_bucket_is_said_to_be_empty_with_its_address(tmp_path, s3):
    result = slipway("pull", f"{s3.url}/wrong", "-r", tmp_path / "other")

    assert 0 == result.exit_code
    assert f"{s3.url}/wrong exists and holds no version yet" in result.output


@pytest.mark.parametrize("url", ["s3://no-such-bucket-here/prod", "file:///no/such/folder"])
@pytest.mark.usefixtures("s3")
def test_a_place_that_is_not_there_is_an_error(tmp_path, url):
    result = slipway("pull", url, "-r", tmp_path / "other")

    assert 1 == result.exit_code
    assert "not found: check" in str(result.exception)


def test_a_folder_on_disk_that_may_not_be_read_is_no_empty_one(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()

    def refuse(*_arguments, onerror, **_options):
        onerror(PermissionError(13, "Permission denied"))

    monkeypatch.setattr("slipway.repository._store.listing.os.walk", refuse)

    with pytest.raises(RemoteFailed, match="permission denied"):
        pull(tmp_path / "other", f"file://{tmp_path}/there")


def s3_refusal(code):
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (page(403, s3_refusal("InvalidAccessKeyId"), "application/xml"), "the store rejects these credentials"),
        (page(403, s3_refusal("SignatureDoesNotMatch"), "application/xml"), "the store rejects these credentials"),
        (page(403, s3_refusal("AccessDenied"), "application/xml"), "permission denied"),
        (page(404, s3_refusal("NoSuchBucket"), "application/xml"), "check that the bucket exists"),
        (page(200, LOGIN), "check the network, the endpoint"),
    ],
    ids=["unknown-key", "wrong-key", "denied", "no-bucket", "web-page"],
)
def test_what_a_store_answers_is_told_apart(tmp_path, s3_at, monkeypatch, answer, says):
    monkeypatch.setattr("slipway.repository._store.remote_store._PAUSES_S", (0.0,))
    with web_server(answer) as server:
        url = s3_at(server.url)

        with pytest.raises(RemoteFailed, match=says):
            pull(tmp_path / "other", url)
    assert not (tmp_path / "other").exists()


@pytest.fixture
def unknown_authority():
    """A certificate for localhost that nobody here trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    return context


def test_a_refused_certificate_is_said_and_not_tried_again(tmp_path, s3_at, unknown_authority):
    with web_server(page(200), unknown_authority) as server:
        url = s3_at(server.url)

        with pytest.raises(RemoteFailed, match="its certificate is refused"):
            pull(tmp_path / "other", url)
        with pytest.raises(RemoteFailed, match="its certificate is refused"):
            pull(tmp_path / "other", f"{server.url}/models")
    assert 2 == server.server.connections


@pytest.mark.parametrize("drop", [b"", b"x"], ids=["silent", "trickling"])
@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_a_store_that_does_not_answer_ends_the_command(tmp_path, s3_at, monkeypatch, scheme, drop):
    """A hang would hit the test's own limit; the store's is made short here."""
    monkeypatch.setattr(patience, "ANSWER_S", 2.0)
    first = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000000\r\n\r\n" if drop else b""
    with silent_server(first, drop) as address:
        url = f"http://{address}/models" if scheme == "http" else s3_at(f"http://{address}")

        with pytest.raises(RemoteFailed, match="did not answer in time"):
            pull(tmp_path / "other", url)


def test_the_time_limits_of_the_sockets_are_ours(s3_at):
    from slipway.repository._store.connect import open_store

    with open_store(s3_at("http://127.0.0.1:9"), QUIET) as store:
        limits = store.system.config_kwargs

    assert (patience.CONNECT_S, patience.READ_S) == (limits["connect_timeout"], limits["read_timeout"])


@pytest.fixture
def small_files():
    """No file of this process grows beyond 64 kB: what a full disk does, but for the errno."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


def test_a_disk_that_takes_no_more_is_not_blamed_on_the_network(tmp_path, s3, small_files):
    publish_text(tmp_path / "desk", "x" * 200_000)
    push(tmp_path / "desk", s3.url)
    small_files()

    with pytest.raises(PublishFailed, match="larger than this process may write") as refused:
        pull(tmp_path / "other", s3.url, complete=True)
    assert "network" not in str(refused.value)


SECRET = "hunter2-hunter2"


def everything_said(act):
    try:
        act()
    except RemoteFailed as exc:
        return "".join(traceback.format_exception(exc))
    raise AssertionError("expected a refusal")


@pytest.mark.parametrize(
    "url",
    [
        f"s3://key:{SECRET}@bucket/prod",
        f"gs://key:{SECRET}@bucket/prod",
        f"https://user:{SECRET}@127.0.0.1:1/models",
        f"http://{SECRET}@127.0.0.1:1/models",
        f"https://127.0.0.1:1/models?X-Amz-Signature={SECRET}",
        f"abfs://user:{SECRET}@nowhere/models",
        f"nonsense://user:{SECRET}@nowhere/models",
        f"sftp://user:{SECRET}@127.0.0.1:1/models",
    ],
    ids=["s3", "gs", "https", "token", "signed", "abfs", "nonsense", "sftp"],
)
def test_a_password_in_a_url_is_in_no_text(tmp_path, monkeypatch, url):
    monkeypatch.setattr("slipway.repository._store.remote_store._PAUSES_S", ())
    publish_text(tmp_path / "desk", "one")

    said = [
        everything_said(lambda: pull(tmp_path / "other", url)),
        everything_said(lambda: push(tmp_path / "desk", url)),
        everything_said(lambda: check_pushable(url)),
    ]
    result = slipway("pull", url, "-r", tmp_path / "other")

    said += [result.output, str(result.exception)]
    assert [] == [text for text in said if SECRET in text]


def test_a_password_is_in_no_text_when_a_server_refuses_it(tmp_path):
    with web_server(page(401)) as server:
        url = f"http://user:{SECRET}@127.0.0.1:{server.port}/models"

        said = everything_said(lambda: pull(tmp_path / "other", url))

    assert SECRET not in said
    assert f"http://***@127.0.0.1:{server.port}/models" in said
    assert server.paths, "it was asked"


def test_a_key_of_the_environment_is_in_no_text(tmp_path, s3_at, monkeypatch):
    url = s3_at("http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SESSION_TOKEN", f"{SECRET}\nX-Evil: 1")
    monkeypatch.setattr("slipway.repository._store.remote_store._PAUSES_S", ())

    assert SECRET not in everything_said(lambda: pull(tmp_path / "other", url))
