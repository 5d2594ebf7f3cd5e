"""Pull and push over the real S3 wire: what goes, what comes, and in which order."""

import pytest

pytest.importorskip("s3fs", reason="the extra `remote` is not installed")
pytest.importorskip("moto", reason="the dependency group `test` is not installed")

from typer.testing import CliRunner

from slipway.cli import app
from slipway.contract import ModelContract
from slipway.repository import (
    MANIFEST,
    ContractChanged,
    RepositoryError,
    model_files,
    publish,
    pull,
    push,
    verify,
)
from tests.unit.digits_repository import CPU, GPU, holding, leftovers, numbers, publish_text
from tests.unit.s3_store import below


def test_what_was_pushed_comes_back_whole(tmp_path, url):
    publish_text(tmp_path / "desk", "one")
    publish_text(tmp_path / "desk", "two")

    (pushed,) = push(tmp_path / "desk", url)
    (pulled,) = pull(tmp_path / "other", url, complete=True)

    assert ((1, 2), ()) == (pushed.new, pushed.known)
    assert (1, 2) == pulled.complete
    assert [1, 2] == [entry.version for entry in verify(tmp_path / "other", "digits")]
    assert "two" == (tmp_path / "other" / "digits" / "2" / "model.onnx").read_text()
    assert [] == leftovers(tmp_path / "other")


@pytest.mark.parametrize("command", ["pull", "push"])
def test_the_address_of_a_models_folder_is_no_repository(tmp_path, s3, command):
    """It was "holds no version yet" to pull, and push published `digits/digits/1`."""
    publish_text(tmp_path, "one")
    push(tmp_path, s3.url)

    answer = CliRunner().invoke(app, ["models", command, f"{s3.url}/digits", "--repository", str(tmp_path)])

    assert "digits is a model's folder: expected the repository above it" in str(answer.exception)
    assert below(1) == s3.names()


def test_marks_of_folders_are_no_files(tmp_path, s3):
    """Consoles and file browsers of stores create empty objects for folders."""
    bucket, _, prefix = s3.root.partition("/")
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", s3.url)
    for mark in ("", "digits/", "digits/1/", "digits/2/", "digits/configs/"):
        s3.files.call_s3("put_object", Bucket=bucket, Key=f"{prefix}/{mark}", Body=b"")

    (pulled,) = pull(tmp_path / "other", s3.url, complete=True)
    publish_text(tmp_path / "other", "two")
    (pushed,) = push(tmp_path / "other", s3.url)

    assert ((1,), (2,)) == (pulled.complete, pushed.new)
    assert [1, 2] == [entry.version for entry in verify(tmp_path / "other", "digits")]


def test_the_manifest_is_the_last_thing_that_is_written(tmp_path, s3):
    publish_text(tmp_path, "one")

    push(tmp_path, s3.url)

    assert below(1) == s3.names()
    assert s3.interceptor.published()[-1].endswith(f"/digits/1/{MANIFEST}")


def test_the_next_training_takes_the_next_number_without_the_bytes_of_the_versions(tmp_path, s3):
    """The way of a training job: empty folder, pull, publish, push."""
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", s3.url)

    (pulled,) = pull(tmp_path / "job", s3.url)
    fetched = {path.name for path in (tmp_path / "job" / "digits" / "1").iterdir()}
    published = publish_text(tmp_path / "job", "two")
    (pushed,) = push(tmp_path / "job", s3.url)

    assert ((1,), ()) == (pulled.versions, pulled.complete)
    assert {MANIFEST} == fetched
    assert 2 == published.version
    assert ((2,), (1,)) == (pushed.new, pushed.known)
    assert below(1) | below(2) == s3.names()


def test_a_pull_refuses_another_interface_before_anything_is_trained(tmp_path, s3):
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", s3.url)
    letters = ModelContract(name="digits", image_shape=(28, 28, 1), labels=tuple("abcdefghij"), max_batch_size=16)

    pull(tmp_path / "job", s3.url)

    with pytest.raises(ContractChanged, match=r"another `model:` name"):
        publish(tmp_path / "job", letters, model_files(letters, cpu=CPU, gpu=GPU), holding("letters"))


def test_a_push_refuses_another_interface_too(tmp_path, s3):
    letters = ModelContract(name="digits", image_shape=(28, 28, 1), labels=tuple("abcdefghij"), max_batch_size=16)
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", s3.url)
    for text in ("letters", "more letters"):
        publish(tmp_path / "letters", letters, model_files(letters, cpu=CPU, gpu=GPU), holding(text))

    with pytest.raises(ContractChanged, match="its clients would break"):
        push(tmp_path / "letters", s3.url)
    assert below(1) == s3.names()


def test_nothing_there_is_where_everybody_starts(tmp_path, url):
    assert () == pull(tmp_path / "job", url)


def test_numbers_become_a_version_that_can_be_served_when_all_is_asked_for(tmp_path, s3):
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", s3.url)
    pull(tmp_path / "other", s3.url)

    pull(tmp_path / "other", s3.url, complete=True)

    assert [1] == [entry.version for entry in verify(tmp_path / "other", "digits")]
    assert [] == leftovers(tmp_path / "other")


def test_a_version_that_was_pruned_there_stays_away(tmp_path, s3):
    for text in ("one", "two"):
        publish_text(tmp_path / "desk", text)
    push(tmp_path / "desk", s3.url)
    s3.files.rm(f"{s3.root}/digits/1", recursive=True)

    (pushed,) = push(tmp_path / "desk", s3.url)

    assert ((), (2,)) == (pushed.new, pushed.known)
    assert below(2) == s3.names()


def test_numbers_of_versions_that_were_pruned_meanwhile_are_not_pushed(tmp_path, s3):
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", s3.url)
    pull(tmp_path / "job", s3.url)
    publish_text(tmp_path / "job", "two")
    s3.files.rm(f"{s3.root}/digits", recursive=True)

    (pushed,) = push(tmp_path / "job", s3.url)

    assert (2,) == pushed.new
    assert below(2) == s3.names()


def test_one_model_can_be_chosen(tmp_path, s3):
    publish_text(tmp_path / "desk", "one")
    letters = ModelContract(name="letters", image_shape=(28, 28, 1), labels=tuple("ab"), max_batch_size=16)
    publish(tmp_path / "desk", letters, model_files(letters, cpu=CPU, gpu=GPU), holding("letters"))

    assert ["letters"] == [entry.model for entry in push(tmp_path / "desk", s3.url, model="letters")]
    push(tmp_path / "desk", s3.url)
    assert ["digits"] == [entry.model for entry in pull(tmp_path / "other", s3.url, model="digits")]
    assert [1] == numbers(tmp_path / "other")
    assert not (tmp_path / "other" / "letters").exists()


def slipway(*arguments):
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, [str(argument) for argument in arguments])


def test_the_commands_say_what_they_did(tmp_path, s3):
    publish_text(tmp_path / "desk", "one")

    first = slipway("models", "pull", s3.url, "--check-write", "-r", tmp_path / "job")
    pushed = slipway("models", "push", s3.url, "-r", tmp_path / "desk")
    again = slipway("models", "push", s3.url, "-r", tmp_path / "desk")
    pulled = slipway("models", "pull", s3.url, "-r", tmp_path / "job")
    everything = slipway("models", "pull", s3.url, "digits", "--all", "-r", tmp_path / "job")

    assert "holds no version yet" in first.output
    assert f"published digits version 1 at {s3.url}" in pushed.output
    assert "nothing new" in again.output
    assert "published in the store: 1; copied: numbers only" in pulled.output
    assert "published in the store: 1; copied: every file" in everything.output


def test_the_command_refuses_to_push_nothing(tmp_path, s3):
    (tmp_path / "empty").mkdir()

    refused = slipway("models", "push", s3.url, "-r", tmp_path / "empty")

    assert isinstance(refused.exception, RepositoryError)
    assert "run `slipway train`" in str(refused.exception)
