"""Publishing survives a power cut: at any moment no version or a whole one, and once it has returned, the version."""

from __future__ import annotations

import os

import pytest

from slipway.model_config import ServingProfile
from slipway.repository import model_files, publish, rollback, seal, verify
from slipway.repository._manifest import check_manifest
from tests.unit.digits_repository import DIGITS, FILES, GPU, holding, publish_text
from tests.unit.power_cut import Disk

OTHER_FILES = model_files(DIGITS, cpu=ServingProfile(accelerator="cpu", instances=4), gpu=GPU)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "repository").mkdir()
    return tmp_path / "repository"


def publish_first(root):
    publish_text(root, "one")
    return [1]


def publish_second_with_other_files(root):
    publish(root, DIGITS, OTHER_FILES, holding("two"))
    return [1, 2]


def roll_back(root):
    publish_text(root, "two")
    rollback(root, "digits")
    return [1, 2, 3]


ways = pytest.mark.parametrize("publishing", [publish_first, publish_second_with_other_files, roll_back])


def prepared(root, publishing):
    if publishing is not publish_first:
        publish_text(root, "one")


def versions_in(root):
    return sorted(path for path in root.glob("digits/*") if path.name.isdigit())


@ways
def test_a_power_cut_at_any_moment_leaves_no_version_or_a_whole_one(tmp_path, root, monkeypatch, publishing):
    cuts = 0

    def cut():
        nonlocal cuts
        cuts += 1
        left = disk.surviving(root, tmp_path / "left" / str(cuts), unsynced_names=True)
        for version in versions_in(left):
            check_manifest(version)
        for path in left.glob("digits/*.pbtxt"):
            assert path.read_text() in (FILES["config.pbtxt"], OTHER_FILES["config.pbtxt"])

    disk = Disk(monkeypatch, root, before_each=cut)
    prepared(root, publishing)
    expected = publishing(root)
    cut()

    assert expected == [int(path.name) for path in versions_in(root)]
    assert cuts > len(expected) * 5


@ways
def test_a_version_that_was_published_is_there_after_a_power_cut(tmp_path, root, monkeypatch, publishing):
    disk = Disk(monkeypatch, root)
    prepared(root, publishing)
    expected = publishing(root)
    left = disk.surviving(root, tmp_path / "left", unsynced_names=False)

    assert expected == [entry.version for entry in verify(left, "digits")]


def test_a_model_that_was_sealed_is_sealed_after_a_power_cut(tmp_path, root, monkeypatch):
    disk = Disk(monkeypatch, root)
    publish_text(root, "one")
    config = root / "digits" / "config.pbtxt"
    config.write_text(f"# by hand\n{config.read_text()}")
    with config.open("rb+") as file:
        os.fsync(file.fileno())
    seal(root, "digits")
    left = disk.surviving(root, tmp_path / "left", unsynced_names=False)

    assert [1] == [entry.version for entry in verify(left, "digits")]


def test_a_folder_for_a_repository_that_was_not_there_survives_too(tmp_path, monkeypatch):
    disk = Disk(monkeypatch, tmp_path)
    publish_text(tmp_path / "new" / "repository", "one")
    (tmp_path / "left").mkdir()
    left = disk.surviving(tmp_path / "new", tmp_path / "left" / "new", unsynced_names=False)

    assert [1] == [entry.version for entry in verify(left / "repository", "digits")]
