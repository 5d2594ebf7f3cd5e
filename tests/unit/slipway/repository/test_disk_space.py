"""What a store offers is compared with the disk before the first byte, and with what it announced until the last."""

import shutil
from types import SimpleNamespace

import pytest

pytest.importorskip("s3fs", reason="the extra `remote` is not installed")
pytest.importorskip("moto", reason="the dependency group `test` is not installed")

from rich.console import Console

from slipway.repository import PublishFailed, RemoteFailed, pull, push, verify
from slipway.repository._store.connect import open_store
from tests.unit.digits_repository import publish_text
from tests.unit.odd_servers import folder_server, page, web_server

QUIET = Console(quiet=True)


@pytest.fixture
def disk(monkeypatch):
    """Say how much is free."""

    def free(count):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=count))

    return free


def test_more_than_the_disk_has_room_for_is_refused_before_the_first_byte(tmp_path, url, disk):
    publish_text(tmp_path / "desk", "x" * 100_000)
    publish_text(tmp_path / "desk", "y" * 100_000)
    push(tmp_path / "desk", url)
    disk(150_000)

    with pytest.raises(PublishFailed, match=r"0\.1 MB free, .* takes 0\.4 MB \(digits 0\.4 MB\)"):
        pull(tmp_path / "other", url, complete=True)
    assert not (tmp_path / "other").exists()


def test_the_same_over_a_web_server_which_lists_no_sizes(tmp_path, disk):
    publish_text(tmp_path / "desk", "x" * 100_000)
    disk(50_000)

    with folder_server(tmp_path / "desk") as url, pytest.raises(PublishFailed, match="Nothing was copied"):
        pull(tmp_path / "other", url, complete=True)
    assert not (tmp_path / "other").exists()


def test_what_is_here_already_needs_no_room(tmp_path, url, disk):
    publish_text(tmp_path / "desk", "x" * 100_000)
    push(tmp_path / "desk", url)
    pull(tmp_path / "other", url, complete=True)
    disk(50_000)

    (pulled,) = pull(tmp_path / "other", url, complete=True)

    assert (1,) == pulled.complete


def test_numbers_alone_need_the_room_of_their_manifests(tmp_path, url, disk):
    publish_text(tmp_path / "desk", "x" * 100_000)
    push(tmp_path / "desk", url)
    disk(50_000)

    (pulled,) = pull(tmp_path / "other", url)

    assert (1,) == pulled.versions


def test_a_file_that_is_larger_than_it_was_announced_is_cut_off(tmp_path, url):
    publish_text(tmp_path / "desk", "x" * 3_000_000)
    push(tmp_path / "desk", url)
    target = tmp_path / "cut"

    with open_store(url, QUIET) as store, pytest.raises(RemoteFailed, match="larger than the store says"):
        store.download("digits/1/model.onnx", target, 1000, free_bytes=10**9)
    assert not target.exists() or target.stat().st_size <= 1000 + 2**20


def endless(handler):
    """No length, and no end until the client hangs up."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/octet-stream")
    handler.end_headers()
    while handler.command == "GET":
        handler.wfile.write(b"x" * 65536)


@pytest.mark.parametrize("announced", [1000, None])
def test_a_web_server_that_never_stops_sending_is_cut_off(tmp_path, announced):
    with (
        web_server(endless) as server,
        open_store(f"{server.url}/models", QUIET) as store,
        pytest.raises(RemoteFailed, match="larger than the store says, or than the free disk space"),
    ):
        store.download("digits/1/model.onnx", tmp_path / "cut", announced, free_bytes=100_000)
    assert (tmp_path / "cut").stat().st_size < 20_000_000


def test_a_small_file_that_never_ends_is_not_read_into_memory():
    with (
        web_server(endless) as server,
        open_store(f"{server.url}/models", QUIET) as store,
        pytest.raises(RemoteFailed, match="expected at most 16 MiB, got more"),
    ):
        store.read("digits/config.pbtxt")


def test_a_listing_that_grows_meanwhile_refuses_the_version_and_a_second_pull_brings_it(tmp_path):
    publish_text(tmp_path / "desk", "one")
    grown = []

    def answer(handler):
        path = tmp_path / "desk" / handler.path.removeprefix("/").rstrip("/")
        if path.is_dir():
            links = "".join(f"<a href='{p.name}{'/' * p.is_dir()}'>x</a>" for p in sorted(path.iterdir()))
            return page(200, links.encode())(handler)
        content = path.read_bytes()
        if path.name == "model.onnx" and handler.command == "GET" and not grown:
            grown.append(path)
            content *= 1000
        return page(200, content, "application/octet-stream")(handler)

    with web_server(answer) as server:
        with pytest.raises(RemoteFailed, match="larger than the store says"):
            pull(tmp_path / "other", server.url, complete=True)
        assert not (tmp_path / "other" / "digits" / "1").exists()
        (pulled,) = pull(tmp_path / "other", server.url, complete=True)

    assert (1,) == pulled.complete
    assert [1] == [entry.version for entry in verify(tmp_path / "other", "digits")]
