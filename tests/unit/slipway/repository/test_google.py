"""Google Cloud Storage: writes that never overwrite, as they look on the wire, and refusals that are said at once."""

import logging
import ssl

import pytest

pytest.importorskip("gcsfs", reason="the extra `remote` is not installed")

import trustme

from slipway.repository import MANIFEST, RemoteFailed, StoreUnreachable, VersionTaken, pull, push, verify
from slipway.repository._push_claim import CLAIM
from tests.unit.digits_repository import publish_text
from tests.unit.gcs_store import gcs_bucket, gcs_endpoint
from tests.unit.odd_servers import page, web_server


@pytest.fixture
def gcs(monkeypatch):
    with gcs_bucket(monkeypatch) as bucket:
        yield bucket


def test_what_is_pushed_comes_back(gcs, tmp_path):
    publish_text(tmp_path / "desk", "one")

    (pushed,) = push(tmp_path / "desk", gcs.url)
    (pulled,) = pull(tmp_path / "other", gcs.url, complete=True)

    assert ((1,), (1,)) == (pushed.new, pulled.complete)
    assert [1] == [entry.version for entry in verify(tmp_path / "other", "digits")]
    assert not [name for name in gcs.objects if name.endswith(CLAIM)]


def test_every_file_of_a_version_is_written_only_where_none_is(gcs, tmp_path):
    publish_text(tmp_path / "desk", "one")

    push(tmp_path / "desk", gcs.url)

    of_the_version = {name: condition for name, condition in gcs.conditions if "/digits/1/" in name}
    assert {"card.json", "model.onnx", "publication.json", MANIFEST} == {n.rpartition("/")[2] for n in of_the_version}
    assert {"0"} == set(of_the_version.values())
    assert ["0", "0"] == [condition for name, condition in gcs.conditions if name.endswith(CLAIM)], "tried twice"


def test_a_version_that_is_published_there_with_other_contents_stays(gcs, tmp_path):
    publish_text(tmp_path / "desk", "one")
    publish_text(tmp_path / "rival", "another one")
    push(tmp_path / "desk", gcs.url)
    before = dict(gcs.objects)

    with pytest.raises(VersionTaken, match="versions are immutable"):
        push(tmp_path / "rival", gcs.url)
    assert before == gcs.objects


def test_another_push_that_is_under_way_is_not_overwritten(gcs, tmp_path):
    publish_text(tmp_path / "desk", "one")
    gcs.objects[f"prod/digits/{CLAIM}"] = b"somebody else's"

    with pytest.raises(RemoteFailed, match="another push of other versions is under way"):
        push(tmp_path / "desk", gcs.url)
    assert {f"prod/digits/{CLAIM}": b"somebody else's"} == gcs.objects


def test_a_refused_certificate_is_asked_once(tmp_path, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with web_server(page(200), context) as server, gcs_endpoint(monkeypatch, server.url):
        with pytest.raises(StoreUnreachable, match="its certificate is refused"):
            pull(tmp_path / "other", "gs://bucket/prod")
        assert 1 == server.server.connections


def test_an_address_without_a_server_is_tried_as_often_as_for_other_stores(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("slipway.repository._store.remote_store._PAUSES_S", (0.0,))
    with web_server(page(200)) as server:
        gone = server.url

    with gcs_endpoint(monkeypatch, gone), pytest.raises(StoreUnreachable, match="no connection: check the endpoint"):
        pull(tmp_path / "other", "gs://bucket/prod")
    assert "Traceback" not in caplog.text


def test_what_gcsfs_logs_of_a_refusal_does_not_go_to_the_terminal(tmp_path, monkeypatch, capsys):
    with web_server(page(403)) as server, gcs_endpoint(monkeypatch, server.url), pytest.raises(RemoteFailed):
        pull(tmp_path / "other", "gs://bucket/prod")

    assert "Traceback" not in capsys.readouterr().err
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("gcsfs").handlers)
