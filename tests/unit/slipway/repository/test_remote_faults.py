"""Pull and push over the real S3 wire when it breaks, when others write, and when there is nothing."""

import pytest

pytest.importorskip("s3fs", reason="the extra `remote` is not installed")
pytest.importorskip("moto", reason="the dependency group `test` is not installed")

import fsspec

from slipway.repository import (
    MANIFEST,
    ModelNotPublished,
    RemoteFailed,
    VersionDamaged,
    VersionTaken,
    check_pushable,
    pull,
    push,
)
from tests.unit.digits_repository import damage_byte, publish_text
from tests.unit.s3_store import below


def test_a_push_that_stops_at_any_write_leaves_no_version_and_the_next_one_completes_it(tmp_path, s3):
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", f"{s3.url}/whole")
    until_published = [path.endswith(f"/1/{MANIFEST}") for path in s3.interceptor.writes].index(True) + 1
    for n in range(until_published):
        s3.interceptor.reset()
        s3.interceptor.refuse_from = n
        with pytest.raises(RemoteFailed, match="permission denied"):
            push(tmp_path / "desk", f"{s3.url}/{n}")
        s3.interceptor.reset()
        there = {name.removeprefix(f"{n}/") for name in s3.names() if name.startswith(f"{n}/")}

        assert () == pull(tmp_path / f"reader-{n}", f"{s3.url}/{n}", complete=True)
        (pushed,) = push(tmp_path / "desk", f"{s3.url}/{n}")
        assert (1,) == pushed.new
        assert [] == [p for p in s3.interceptor.published() if p.partition(f"/{n}/")[2] in there], "sent again"
        (pulled,) = pull(tmp_path / f"reader-{n}", f"{s3.url}/{n}", complete=True)
        assert (1,) == pulled.complete


def test_what_another_model_left_unfinished_under_the_number_is_replaced(tmp_path, s3):
    publish_text(tmp_path, "one")
    s3.files.pipe_file(f"{s3.root}/digits/1/model.onnx", b"half")
    s3.files.pipe_file(f"{s3.root}/digits/1/notes.txt", b"serving would refuse this file")

    push(tmp_path, s3.url)

    assert below(1) == s3.names()
    (pulled,) = pull(tmp_path / "other", s3.url, complete=True)
    assert (1,) == pulled.complete


def test_a_published_version_is_immutable_there_too(tmp_path, url):
    publish_text(tmp_path / "desk", "one")
    publish_text(tmp_path / "rival", "another one")
    push(tmp_path / "desk", url)

    with pytest.raises(VersionTaken, match="versions are immutable"):
        push(tmp_path / "rival", url)
    with pytest.raises(VersionTaken, match="versions are immutable"):
        pull(tmp_path / "rival", url)
    (pulled,) = pull(tmp_path / "other", url, complete=True)
    assert "one" == (tmp_path / "other" / "digits" / "1" / "model.onnx").read_text()
    assert (1,) == pulled.complete


@pytest.mark.parametrize(
    ("moment", "sent"),
    [("card.json", {"card.json"}), ("labels.txt", {"card.json", "model.onnx", "publication.json"})],
    ids=["early", "just-before-the-manifest"],
)
def test_of_two_that_push_one_number_at_once_one_is_told_and_stops(tmp_path, s3, moment, sent):
    publish_text(tmp_path, "one")

    def rival_is_faster(path):
        if path.endswith(moment):
            s3.interceptor.after = None
            s3.files.pipe_file(f"{s3.root}/digits/1/{MANIFEST}", b"the rival's")

    s3.interceptor.after = rival_is_faster

    with pytest.raises(VersionTaken, match="published by another push meanwhile"):
        push(tmp_path, s3.url)
    assert b"the rival's" == s3.files.cat_file(f"{s3.root}/digits/1/{MANIFEST}")
    assert sent | {MANIFEST} == {name.rpartition("/")[2] for name in s3.names() if name.startswith("digits/1/")}


def test_a_store_that_keeps_other_bytes_is_found_out_before_the_version_counts(tmp_path, s3):
    publish_text(tmp_path, "one")

    def spoil(path):
        if path.endswith("model.onnx"):
            s3.interceptor.after = None
            s3.files.pipe_file(f"{s3.root}/digits/1/model.onnx", b"two")

    s3.interceptor.after = spoil

    with pytest.raises(RemoteFailed, match=r"read back .* push again"):
        push(tmp_path, s3.url)
    assert MANIFEST not in {name.rpartition("/")[2] for name in s3.names()}


def test_a_damaged_version_is_not_sent(tmp_path, s3):
    damage_byte(publish_text(tmp_path, "one").path)

    with pytest.raises(VersionDamaged, match=r"model\.onnx is changed"):
        push(tmp_path, s3.url)
    assert set() == s3.names()


def test_a_version_that_is_damaged_there_does_not_arrive(tmp_path, url):
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", url)
    with fsspec.open(f"{url}/digits/1/model.onnx", "wb") as file:
        file.write(b"two")

    with pytest.raises(VersionDamaged, match=r"model\.onnx is changed"):
        pull(tmp_path / "other", url, complete=True)
    assert [] == [path for path in (tmp_path / "other" / "digits").iterdir() if path.is_dir() and path.name == "1"]


def test_a_name_that_would_leave_the_folder_is_refused(tmp_path, s3):
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", s3.url)
    s3.files.pipe_file(f"{s3.root}/digits/1/../../../escaped", b"x")

    with pytest.raises(RemoteFailed, match=r"has a segment '\.\.'"):
        pull(tmp_path / "other" / "repository", s3.url, complete=True)
    assert [] == list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize(
    ("address", "way_out"),
    [
        ("s3://no-such-bucket-here/prod", "check that the bucket exists"),
        ("carrier-pigeon://loft", "expected a URL such as s3://"),
    ],
    ids=["no-such-bucket", "no-such-protocol"],
)
@pytest.mark.usefixtures("s3")
def test_what_cannot_be_reached_names_the_way_out(tmp_path, address, way_out):
    publish_text(tmp_path, "one")

    for act in (lambda: pull(tmp_path / "job", address), lambda: push(tmp_path, address)):
        with pytest.raises(RemoteFailed, match=way_out):
            act()


def test_a_place_that_nobody_may_write_to_is_found_out_before_training(s3):
    check_pushable(s3.url)
    assert set() == s3.names()

    s3.interceptor.refuse_from = 0

    with pytest.raises(RemoteFailed, match="list, read, write and delete"):
        check_pushable(s3.url)


def test_a_repository_without_versions_is_refused(tmp_path, s3):
    with pytest.raises(ModelNotPublished, match="no model repository"):
        push(tmp_path / "nowhere", s3.url)


@pytest.mark.parametrize(
    ("url", "got"),
    [("bucket/models", "bucket/models"), ("s3://", "s3://"), ("s3:bucket", "s3:bucket"), ("", "''")],
    ids=["no-scheme", "no-bucket", "no-slashes", "empty"],
)
@pytest.mark.parametrize("action", [pull, push, lambda _, url: check_pushable(url)], ids=["pull", "push", "check"])
def test_what_is_no_url_is_not_taken_for_a_folder_here(tmp_path, monkeypatch, action, url, got):
    publish_text(tmp_path / "desk", "one")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    with pytest.raises(RemoteFailed, match=f"expected a URL such as s3://bucket/models .* got '?{got}"):
        action(tmp_path / "desk", url)
    assert [] == list((tmp_path / "here").iterdir())


def test_what_is_damaged_there_is_named_as_it_is_named_there(tmp_path, s3):
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", s3.url)
    s3.files.pipe_file(f"{s3.root}/digits/1/model.onnx", b"two")

    with pytest.raises(VersionDamaged, match=rf"{s3.url}/digits/1: model\.onnx is changed") as damaged:
        pull(tmp_path / "other", s3.url, complete=True)
    assert "scratch" not in str(damaged.value)
    assert not (tmp_path / "other" / "digits" / "1").exists()


def test_a_configuration_that_somebody_removed_there_is_named(tmp_path, s3):
    publish_text(tmp_path, "one")
    push(tmp_path, s3.url)
    s3.files.rm_file(f"{s3.root}/digits/config.pbtxt")

    with pytest.raises(RemoteFailed, match=r"digits/config\.pbtxt: .*; not found"):
        push(tmp_path, s3.url)
