"""One damaged model keeps no other from its turn, and is reported at the end."""

import pytest

pytest.importorskip("s3fs", reason="the extra `remote` is not installed")

import fsspec
from typer.testing import CliRunner

from slipway.cli import app
from slipway.contract import ModelContract
from slipway.repository import (
    MANIFEST,
    RepositoryError,
    SeveralFailed,
    VersionDamaged,
    VersionTaken,
    model_files,
    publish,
    pull,
    push,
    verify,
)
from tests.unit.digits_repository import CPU, GPU, damage_byte, holding


def slipway(*words):
    return CliRunner(env={"COLUMNS": "400"}).invoke(app, ["models", *map(str, words)])


def publish_model(root, name, text):
    contract = ModelContract(name=name, image_shape=(28, 28, 1), labels=("a", "b"), max_batch_size=16)
    return publish(root, contract, model_files(contract, cpu=CPU, gpu=GPU), holding(text))


@pytest.fixture
def desk(tmp_path):
    """Three models, a version each."""
    for name in ("ants", "bees", "cats"):
        publish_model(tmp_path / "desk", name, f"of {name}")
    return tmp_path / "desk"


@pytest.fixture
def shop(desk, tmp_path):
    """They are published there, too; the one in the middle is damaged."""
    (tmp_path / "bucket").mkdir()
    url = f"file://{tmp_path}/bucket/prod"
    push(desk, url)
    damage_byte(tmp_path / "bucket" / "prod" / "bees" / "1")
    return url


def test_a_pull_of_everything_brings_the_models_around_a_damaged_one(shop, tmp_path):
    told = []

    with pytest.raises(VersionDamaged, match=r"bees/1: model\.onnx is changed"):
        pull(tmp_path / "other", shop, complete=True, tell=told.append)
    assert ["ants", "cats"] == [pulled.model for pulled in told]
    for name in ("ants", "cats"):
        assert [1] == [entry.version for entry in verify(tmp_path / "other", name)]
    assert not (tmp_path / "other" / "bees" / "1").exists()


def test_the_command_says_what_came_and_ends_with_what_did_not(shop, tmp_path):
    result = slipway("pull", shop, "--all", "-r", tmp_path / "other")

    assert VersionDamaged.exit_status == result.exit_code
    assert "ants: published in the store: 1; copied: every file" in result.output
    assert "cats: published in the store: 1; copied: every file" in result.output
    assert "bees/1: model.onnx is changed" in str(result.exception)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (f"bees/1/{MANIFEST}", b"nonsense"),
        (f"bees/{MANIFEST}", b"nonsense"),
        ("bees/config.pbtxt", b"changed"),
        ("bees/1/.\x1b[2J", b"hostile"),
        ("b\\ees/1/x", b"hostile"),
    ],
    ids=["its-manifest", "the-models-manifest", "configuration", "a-name-in-it", "its-name"],
)
def test_whatever_is_wrong_with_one_model_the_others_come(desk, tmp_path, path, content):
    (tmp_path / "bucket").mkdir()
    push(desk, f"file://{tmp_path}/bucket/prod")
    file = tmp_path / "bucket" / "prod" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    told = []

    with pytest.raises(RepositoryError, match="ees"):
        pull(tmp_path / "other", f"file://{tmp_path}/bucket/prod", tell=told.append)
    assert {"ants", "cats"} <= {pulled.model for pulled in told}


def test_a_damaged_version_keeps_no_other_version_of_its_model_away(desk, tmp_path):
    publish_model(desk, "bees", "second")
    publish_model(desk, "bees", "third")
    (tmp_path / "bucket").mkdir()
    url = f"file://{tmp_path}/bucket/prod"
    push(desk, url)
    damage_byte(tmp_path / "bucket" / "prod" / "bees" / "2")

    with pytest.raises(VersionDamaged, match=r"bees/2: model\.onnx is changed"):
        pull(tmp_path / "other", url, model="bees", complete=True)
    assert [1, 3] == [entry.version for entry in verify(tmp_path / "other", "bees")]


def test_every_fault_is_reported(shop, tmp_path):
    damage_byte(tmp_path / "bucket" / "prod" / "ants" / "1")

    with pytest.raises(SeveralFailed, match=r"ants/1: model\.onnx is changed.*bees/1: model\.onnx is changed"):
        pull(tmp_path / "other", shop, complete=True)
    assert [1] == [entry.version for entry in verify(tmp_path / "other", "cats")]


def test_a_push_of_everything_publishes_the_models_around_a_refused_one(desk, tmp_path):
    (tmp_path / "bucket").mkdir()
    url = f"file://{tmp_path}/bucket/prod"
    publish_model(tmp_path / "rival", "bees", "the rival's")
    push(tmp_path / "rival", url)
    told = []

    with pytest.raises(VersionTaken, match="bees/1"):
        push(desk, url, tell=told.append)
    assert ["ants", "cats"] == [pushed.model for pushed in told]


def test_a_hostile_name_of_another_model_keeps_nothing_from_being_pushed(desk):
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pipe_file("/bucket/prod/dogs/1/x", b"")
    files.store["/bucket/prod/dogs/../x"] = files.store.pop("/bucket/prod/dogs/1/x")

    assert ["ants", "bees", "cats"] == [pushed.model for pushed in push(desk, "memory://bucket/prod")]


def test_verify_goes_through_every_model_and_names_each_that_is_damaged(desk):
    publish_model(desk, "ants", "second")
    damage_byte(desk / "ants" / "1")
    (desk / "bees" / "labels.txt").write_text("changed")

    result = slipway("verify", "-r", desk)

    assert 1 == result.exit_code
    assert "intact ants version 2" in result.output
    assert "intact cats version 1" in result.output
    assert "ants/1: model.onnx is changed" in str(result.exception)
    assert 1 == str(result.exception).count("labels.txt is changed")


def test_list_shows_every_model_around_a_damaged_one(desk):
    damage_byte(desk / "ants" / "1")

    result = slipway("list", "-r", desk)

    assert 1 == result.exit_code
    assert ["ants", "bees", "cats"] == [line.split()[0] for line in result.output.splitlines()[1:4]]
