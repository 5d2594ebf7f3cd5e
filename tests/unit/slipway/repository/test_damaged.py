"""What goes on where a version is damaged, hostile, or gone while it is read."""

import json
import multiprocessing
import os
import shutil

import pytest
from typer.testing import CliRunner

from slipway.cli import app
from slipway.repository import (
    MANIFEST,
    NothingToRollBack,
    VersionDamaged,
    find_model,
    list_models,
    prune,
    publish,
    pull,
    push,
    rollback,
    verify,
)
from tests.unit.digits_repository import DIGITS, FILES, damage_byte, holding, numbers, publish_text


def slipway(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])


def cut_manifest(folder):
    os.truncate(folder / MANIFEST, 70)


def lose_manifest(folder):
    (folder / MANIFEST).unlink()


def endless_manifest(folder):
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).symlink_to("/dev/zero")


HARM = [cut_manifest, lose_manifest, endless_manifest, damage_byte]


@pytest.fixture
def three(tmp_path):
    for text in ("one", "two", "three"):
        publish_text(tmp_path, text)
    return tmp_path


@pytest.mark.parametrize("harm", HARM)
def test_a_rollback_from_a_damaged_newest_version_returns_to_the_newest_intact_one(three, harm):
    harm(three / "digits" / "3")
    said = []

    source, published = rollback(three, "digits", note=said.append)

    assert (2, 4) == (source.version, published.version)
    assert "two" == (published.path / "model.onnx").read_text()
    assert 1 == len(said)
    assert "digits/3" in said[0]


@pytest.mark.parametrize("harm", HARM)
def test_a_rollback_to_a_named_version_works_whatever_the_newest_is(three, harm):
    harm(three / "digits" / "3")

    source, published = rollback(three, "digits", to=1)

    assert (1, 4) == (source.version, published.version)


@pytest.mark.parametrize("harm", HARM)
def test_a_rollback_steps_over_damaged_older_versions(three, harm):
    harm(three / "digits" / "2")

    result = slipway("models", "rollback", "digits", "-r", three)

    assert 0 == result.exit_code, result.output
    assert "digits version 4 now has the files of version 1" in result.stdout
    assert "skipped: " in result.stderr
    assert "digits/2" in result.stderr


def test_where_nothing_older_is_intact_there_is_nothing_to_roll_back_to(three):
    for number in "12":
        damage_byte(three / "digits" / number)

    with pytest.raises(NothingToRollBack, match="no intact version"):
        rollback(three, "digits")
    assert [1, 2, 3] == numbers(three)


@pytest.mark.parametrize("harm", HARM)
def test_prune_keeps_the_newest_intact_version_and_names_the_damaged_one(three, harm):
    harm(three / "digits" / "3")

    result = slipway("models", "prune", "digits", "--keep", "1", "-r", three)

    assert 0 == result.exit_code, result.output
    assert "removed: 1; kept: 2, 3" in result.stdout
    assert "digits/3" in result.stderr
    verify(three, "digits", 2)


def test_prune_removes_a_damaged_version_that_enough_newer_ones_are_better_than(three):
    damage_byte(three / "digits" / "1")

    assert [1] == [version.version for version in prune(three, "digits", keep=2)]


def test_prune_removes_nothing_where_nothing_is_intact(three):
    for number in "123":
        cut_manifest(three / "digits" / number)

    with pytest.raises(VersionDamaged, match="nothing was removed"):
        prune(three, "digits", keep=1)
    assert [1, 2, 3] == numbers(three)


def test_prune_keeps_the_only_version_whose_files_are_here(tmp_path):
    for text in ("one", "two"):
        publish_text(tmp_path / "desk", text)
    push(tmp_path / "desk", f"file://{tmp_path}/bucket")
    shutil.copytree(tmp_path / "desk", tmp_path / "job")
    shutil.rmtree(tmp_path / "job" / "digits" / "2")
    pull(tmp_path / "job", f"file://{tmp_path}/bucket")

    assert () == prune(tmp_path / "job", "digits", keep=1)
    verify(tmp_path / "job", "digits", 1)


def test_readers_beside_a_prune_see_versions_that_are_gone_and_none_that_is_damaged(tmp_path):
    fork = multiprocessing.get_context("fork")
    publish_text(tmp_path, "one")
    writer = fork.Process(target=publish_and_prune, args=(tmp_path, 40))
    writer.start()
    looks = 0
    while writer.is_alive():
        assert all(entry.version for entry in verify(tmp_path, "digits"))
        for command in ("list", "verify"):
            result = slipway("models", command, "-r", tmp_path)
            assert 0 == result.exit_code, result.output
            assert "damaged" not in result.output
        looks += 1
    writer.join()

    assert 0 == writer.exitcode
    assert looks > 1


def publish_and_prune(root, times):
    for i in range(times):
        publish_text(root, f"{i}")
        prune(root, "digits", keep=1)


def test_two_prunes_at_once_both_succeed(three, monkeypatch):
    from slipway.repository import _retire

    doomed = _retire._doomed

    def doomed_and_gone(*args):
        found = doomed(*args)
        shutil.rmtree(found[0].path)
        return found

    monkeypatch.setattr(_retire, "_doomed", doomed_and_gone)

    prune(three, "digits", keep=1)

    assert [3] == numbers(three)


def test_the_list_marks_what_is_served_what_is_damaged_and_what_is_a_number_alone(three):
    damage_byte(three / "digits" / "3")
    for path in (three / "digits" / "1").iterdir():
        if path.name != MANIFEST:
            path.unlink()

    result = slipway("models", "list", "-r", three)
    rows = [line.split() for line in result.stdout.splitlines() if line.strip().startswith("digits")]

    assert 1 == result.exit_code
    assert ["number", "only"] == rows[0][-2:]
    assert (["2", "served"], "intact") == (rows[1][1:3], rows[1][-1])
    assert "damaged" == rows[2][-1]


def test_the_list_says_when_a_version_was_published_and_not_when_it_was_copied(tmp_path):
    published = publish_text(tmp_path / "here", "one")
    (published.path / "publication.json").write_text('{"published_at": "2025-03-04T05:06:07+00:00"}')
    publish_text(tmp_path / "here", "two")
    (tmp_path / "here" / "digits" / "2" / "publication.json").unlink()
    shutil.copytree(tmp_path / "here", tmp_path / "there")

    rows = slipway("models", "list", "-r", tmp_path / "there").stdout.splitlines()

    assert "2025-03-04 05:06" in rows[1]
    assert "unknown" in rows[2]


@pytest.mark.parametrize(
    "card",
    [
        {"evaluation": {"accuracy": "\x1b[2J"}, "recipe": {"network": {"builder": "x:\x1b]0;title\x07[bold red]y[/]"}}},
        {"evaluation": [], "recipe": {"network": "x"}},
        {"evaluation": {"accuracy": None}, "recipe": None},
        [],
    ],
    ids=["control characters and markup", "other types", "nothing", "list"],
)
def test_a_card_of_somebody_else_is_shown_as_text(tmp_path, card):
    def fill(folder):
        (folder / "model.onnx").write_text("x")
        (folder / "card.json").write_text(json.dumps(card))

    publish(tmp_path, DIGITS, FILES, fill)

    result = slipway("models", "list", "-r", tmp_path)

    assert 0 == result.exit_code, result.output
    assert "\x1b" not in result.stdout
    if card and "network" in str(card) and "bold" in str(card):
        assert r"\x1b]0;title\x07[bold red]y[/]" in result.stdout


def test_a_stray_file_with_a_number_for_a_name_is_no_version_and_stops_nothing(three):
    (three / "digits" / "7").write_text("x")

    assert [1, 2, 3] == numbers(three)
    assert 0 == slipway("models", "list", "-r", three).exit_code
    assert 8 == publish_text(three, "four").version
    assert "digits/7 is not listed" in slipway("models", "verify", "-r", three).stdout


def test_a_card_that_never_ends_is_not_read(three):
    (three / "digits" / "3" / "card.json").unlink()
    (three / "digits" / "3" / "card.json").symlink_to("/dev/zero")

    assert {} == find_model(three, "digits").served.card()
    assert list_models(three)[0].served.size_bytes < 10_000


def test_shared_files_that_were_edited_are_said_by_the_list(three):
    (three / "digits" / "labels.txt").write_text("x")

    result = slipway("models", "list", "-r", three)

    assert 1 == result.exit_code
    assert "slipway models seal digits" in str(result.exception)


def test_an_empty_or_linked_version_is_refused_when_it_is_published(tmp_path):
    from slipway.repository import PublishFailed

    for fill, words in (
        (lambda folder: (folder / "link").symlink_to("/etc/passwd"), "a symbolic link"),
        (lambda folder: (folder / "empty").mkdir(), "a folder"),
        (lambda folder: (folder / "model.py").write_text("x"), "Triton would execute"),
        (lambda folder: (folder / "modèle.onnx").write_text("x"), "ASCII"),
    ):
        with pytest.raises(PublishFailed, match=words):
            publish(tmp_path, DIGITS, FILES, fill)
    publish(tmp_path, DIGITS, FILES, holding("one"))
    assert [1] == numbers(tmp_path)
