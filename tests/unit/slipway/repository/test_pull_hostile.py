"""A pull from a bucket that somebody else may write to: no name leads out, and only what manifests list is copied."""

import hashlib
import os

import pytest

pytest.importorskip("s3fs", reason="the extra `remote` is not installed")
pytest.importorskip("moto", reason="the dependency group `test` is not installed")

import fsspec
from typer.testing import CliRunner

from slipway.cli import app
from slipway.repository import MANIFEST, RemoteFailed, RepositoryError, VersionDamaged, pull, push, verify
from tests.unit.digits_repository import publish_text

HOSTILE = [
    "digits/HOME/.bashrc",
    "digits/1/HOME/.ssh/authorized_keys",
    "digits/../../escaped",
    "digits/1/../../../escaped",
    "digits/./config.pbtxt",
    "digits/1/C:evil.dll",
    "digits/..\\..\\escaped",
    "digits/1/\x1b[2Jclear",
    "digits/1/cafe\u0301.txt",
    "Digits/1/model.onnx",
]
BESIDE = ["HOME/x", "../digits/1/model.onnx"]


OUTSIDE = ["/tmp/escaped", "../../escaped", "a//b", "a/./b", "C:b", "a\\b", "x/../y"]


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def put(url, path, content=b"x"):
    """Write under a name as it is: no client here tidies it."""
    files, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    if files.protocol == "memory":
        files.pipe_file("/warm-up", b"")
        files.store[f"{root}/{path}"] = type(files.store["/warm-up"])(files, f"{root}/{path}", content)
    else:
        files.call_s3("put_object", Bucket=root.split("/")[0], Key=f"{root.split('/', 1)[1]}/{path}", Body=content)


@pytest.fixture(params=["s3", "memory"])
def bucket(request, tmp_path):
    """A remote repository that holds `digits` version 1."""
    if request.param == "s3":
        url = request.getfixturevalue("s3").url
    else:
        fsspec.filesystem("memory").store.clear()
        url = "memory://bucket/prod"
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", url)
    return url


@pytest.mark.parametrize("everything", [False, True], ids=["numbers", "all"])
@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_name_that_leads_out_refuses_the_pull_and_nothing_is_written(bucket, tmp_path, name, everything):
    put(bucket, name.replace("HOME", str(tmp_path / "home")))  # absolute: `digits//tmp/…/home/.bashrc`
    before = tree(tmp_path)

    with pytest.raises(RemoteFailed, match=r"Nothing of .* copied") as refused:
        pull(tmp_path / "other", bucket, complete=everything)
    assert before == tree(tmp_path)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", BESIDE)
def test_a_name_that_leads_out_beside_the_models_brings_nothing_of_itself_and_is_reported(bucket, tmp_path, name):
    put(bucket, name.replace("HOME", str(tmp_path / "home")))
    before = tree(tmp_path)

    with pytest.raises(RemoteFailed, match="Nothing of that model was copied") as refused:
        pull(tmp_path / "other", bucket, complete=True)
    assert [1] == [entry.version for entry in verify(tmp_path / "other", "digits")]
    assert before == [path for path in tree(tmp_path) if not path.startswith("other")]
    assert ["digits"] == [path.name for path in (tmp_path / "other").iterdir()]
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("folder", ["\u00b2", "\u2460", "1_0", "+1", "99999999999999999999"], ids=ascii)
def test_a_folder_that_looks_like_a_number_and_is_none_does_not_keep_the_versions_from_coming(bucket, tmp_path, folder):
    put(bucket, f"digits/{folder}/model.onnx")

    (pulled,) = pull(tmp_path / "other", bucket, complete=True)

    assert (1,) == pulled.complete
    assert not (tmp_path / "other" / "digits" / folder).exists()


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_manifest_that_lists_a_name_that_leads_out_refuses_the_pull(bucket, tmp_path, path):
    put(bucket, f"digits/1/{MANIFEST}", f"{hashlib.sha256(b'x').hexdigest()}  {path}\n".encode())
    before = tree(tmp_path)

    with pytest.raises(VersionDamaged, match="Nothing was copied"):
        pull(tmp_path / "other", bucket, complete=True)
    assert before == tree(tmp_path)


@pytest.mark.parametrize("pair", [("a.txt", "A.txt"), ("dir", "dir/file"), ("straße", "STRASSE")], ids=ascii)
def test_names_that_are_one_file_on_some_disks_refuse_the_pull(bucket, tmp_path, pair):
    put(bucket, f"digits/1/{MANIFEST}", "".join(f"{'0' * 64}  {path}\n" for path in pair).encode())

    with pytest.raises(VersionDamaged):
        pull(tmp_path / "other", bucket)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("link", ["digits", "digits/1", "digits/configs"])
def test_a_link_on_the_way_is_not_followed(bucket, tmp_path, link):
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "other" / link
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(RemoteFailed, match="is a symbolic link"):
        pull(tmp_path / "other", bucket, complete=True)
    assert [] == list((tmp_path / "elsewhere").iterdir())


def test_a_placeholder_that_a_console_makes_for_a_folder_is_no_harm(s3, tmp_path):
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", s3.url)
    for name in ("", "digits/", "digits/1/"):
        put(s3.url, name, b"")

    (pulled,) = pull(tmp_path / "other", s3.url, complete=True)

    assert (1,) == pulled.complete


CODE = ["digits/triton_python_backend_stub", "digits/model.py", "digits/1/libtriton_x.so", "digits/1/model.py"]


def test_what_no_manifest_lists_is_left_there_and_named(bucket, tmp_path):
    for name in CODE:
        put(bucket, name, b"#!/bin/sh\n")

    (pulled,) = pull(tmp_path / "other", bucket, complete=True)

    assert sorted(name.removeprefix("digits/") for name in CODE) == sorted(pulled.left)
    assert [] == [name for name in tree(tmp_path / "other") if name in CODE]
    assert [1] == [entry.version for entry in verify(tmp_path / "other", "digits")]


def test_the_command_says_how_many_files_it_left(bucket, tmp_path):
    for name in [*CODE, "digits/1/[red]x"]:
        put(bucket, name)

    result = CliRunner(env={"COLUMNS": "400"}).invoke(
        app, ["models", "pull", bucket, "--all", "-r", str(tmp_path / "o")]
    )

    assert 0 == result.exit_code, result.output
    assert "not copied, since no manifest lists it: 1/[red]x, 1/libtriton_x.so, 1/model.py and 2 more" in result.output


@pytest.mark.parametrize("name", ["model.py", "1/model.onnx", "configs/../model.py", "configs/deep/gpu.pbtxt"])
def test_a_models_manifest_can_bring_nothing_but_configurations_and_labels(bucket, tmp_path, name):
    put(bucket, f"digits/{name}")
    put(bucket, f"digits/{MANIFEST}", f"{hashlib.sha256(b'x').hexdigest()}  {name}\n".encode())
    before = tree(tmp_path)

    with pytest.raises(RepositoryError):
        pull(tmp_path / "other", bucket, complete=True)
    assert before == tree(tmp_path)


def test_a_shared_file_that_is_not_what_the_models_manifest_lists_refuses_the_pull(bucket, tmp_path):
    put(bucket, f"digits/{MANIFEST}", f"{'0' * 64}  config.pbtxt\n".encode())

    with pytest.raises(VersionDamaged, match=r"config\.pbtxt is changed .*Nothing was copied"):
        pull(tmp_path / "other", bucket)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", ["digits/labels.txt", "digits/1/model.onnx"])
def test_a_pipe_in_a_folder_is_never_read(tmp_path, name):
    """It would never end."""
    publish_text(tmp_path / "desk", "one")
    (tmp_path / "desk" / name).unlink()
    os.mkfifo(tmp_path / "desk" / name)

    with pytest.raises(VersionDamaged, match="is missing"):
        pull(tmp_path / "other", f"file://{tmp_path}/desk", complete=True)


def test_a_model_that_was_pushed_before_models_had_manifests_comes_by_its_files_names(s3, tmp_path):
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", s3.url)
    s3.files.rm_file(f"{s3.root}/digits/{MANIFEST}")
    put(s3.url, "digits/model.py")
    words = ["models", "pull", s3.url, "--all", "-r", str(tmp_path / "other")]

    result = CliRunner(env={"COLUMNS": "400"}).invoke(app, words)

    assert 0 == result.exit_code, result.output
    assert "unverified, since the remote model has no manifest.sha256" in result.output
    assert "`slipway models seal digits`" in result.output
    assert not (tmp_path / "other" / "digits" / "model.py").exists()
    push(tmp_path / "desk", s3.url)
    (pulled,) = pull(tmp_path / "other", s3.url)
    assert pulled.sealed
