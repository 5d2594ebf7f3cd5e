"""Publishers on several nodes that share a file system: locks of one node mean nothing on another."""

import errno
import fcntl
import json
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pytest

from slipway.repository import (
    MANIFEST,
    PublishFailed,
    VersionTaken,
    _claim,
    _scratch,
    check_publishable,
    find_model,
    rollback,
    verify,
)
from slipway.repository._scratch import scratch_folder
from tests.unit.digits_repository import DIGITS, leftovers, numbers, publish_text

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def on_node(monkeypatch):
    """Become a node: `on_node(1)`. Its locks are its own, as `flock` is on a network share."""

    def become(node):
        monkeypatch.setattr(fcntl, "flock", lambda *_: None)
        monkeypatch.setattr(_scratch, "_machine", lambda: f"{node:016x}", raising=False)

    return become


def work(on_node, root, node, times):
    on_node(node)
    for i in range(times):
        check_publishable(root, DIGITS)  # what a job does when it starts
        published = publish_text(root, f"node {node}, {i}")
        assert f"node {node}, {i}" == (published.path / "model.onnx").read_text()


def test_publishers_on_two_nodes_take_nothing_from_each_other(tmp_path, on_node):
    workers = [FORK.Process(target=work, args=(on_node, tmp_path, node, 12)) for node in (1, 2, 1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert [0] * 4 == [worker.exitcode for worker in workers]
    assert list(range(1, 49)) == [entry.version for entry in verify(tmp_path, "digits")]
    assert [] == leftovers(tmp_path)


def test_another_nodes_scratch_folder_is_left_alone_until_nothing_in_it_has_changed_for_a_day(tmp_path, on_node):
    publish_text(tmp_path, "one")
    on_node(1)
    with scratch_folder(tmp_path / "digits") as theirs:
        (theirs / "version").mkdir()
        (theirs / "version" / "half").write_text("x")
        on_node(2)
        publish_text(tmp_path, "two")
        assert theirs.is_dir()

        yesterday = time.time() - 25 * 3600
        for path in (theirs, theirs / "version"):
            os.utime(path, (yesterday, yesterday))
        publish_text(tmp_path, "three")
        assert theirs.is_dir(), "a file in it was written just now"

        os.utime(theirs / "version" / "half", (yesterday, yesterday))
        publish_text(tmp_path, "four")
        assert not theirs.exists()


def test_a_folder_of_this_machine_is_removed_when_its_process_is_gone_and_only_then(tmp_path):
    publish_text(tmp_path, "one")
    gone = FORK.Process(target=leave_a_folder, args=(tmp_path / "digits",))
    gone.start()
    gone.join()
    (left,) = leftovers(tmp_path)

    with scratch_folder(tmp_path / "digits") as living:
        assert [living] == leftovers(tmp_path)
        publish_text(tmp_path, "two")
        assert [living] == leftovers(tmp_path)
    assert left != living


def leave_a_folder(model_dir):
    context = scratch_folder(model_dir)
    context.__enter__()
    os._exit(0)


def test_a_process_id_that_another_process_has_by_now_is_no_owner(tmp_path):
    publish_text(tmp_path, "one")
    with scratch_folder(tmp_path / "digits") as mine:
        earlier = mine.with_name(mine.name.replace(f"-{_scratch._started(os.getpid())}-", "-1-"))
        mine.rename(earlier)
        publish_text(tmp_path, "two")

        assert not earlier.exists()


def test_names_that_nobody_here_gave_are_left_alone(tmp_path):
    publish_text(tmp_path, "one")
    for name in (".scratch-0123456789abcdef", ".scratch-", ".scratch-x-1-2-3-4"):
        (tmp_path / "digits" / name).mkdir()

    publish_text(tmp_path, "two")

    assert 3 == len(leftovers(tmp_path))


def test_a_file_system_without_locks_is_published_to(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)

    assert 1 == publish_text(tmp_path, "one").version
    assert [] == leftovers(tmp_path)


def test_a_file_system_that_renames_over_what_is_there_is_refused_before_training(tmp_path, monkeypatch):
    rename = Path.rename

    def merge(source, target):
        if Path(target).is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
            shutil.rmtree(source)
            return target
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", merge)

    for attempt in (lambda: check_publishable(tmp_path, DIGITS), lambda: publish_text(tmp_path, "one")):
        with pytest.raises(PublishFailed, match="refuses to rename a folder over another"):
            attempt()
    assert [] == leftovers(tmp_path)


def harm_after_rename(monkeypatch, harm):
    rename = Path.rename

    def renamed(source, target):
        moved = rename(source, target)
        if Path(target).name == "1":
            harm(Path(target))
        return moved

    monkeypatch.setattr(Path, "rename", renamed)


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "model.onnx").unlink(),
        lambda folder: (folder / "model.onnx").write_text("another's"),
        lambda folder: (folder / "extra").write_text("another's"),
    ],
    ids=["removed", "overwritten", "added"],
)
def test_a_version_that_is_damaged_while_it_gets_its_name_is_taken_away_and_said_so(tmp_path, monkeypatch, harm):
    harm_after_rename(monkeypatch, harm)

    with pytest.raises(PublishFailed, match="damaged while it was published"):
        publish_text(tmp_path, "one")
    assert not (tmp_path / "digits" / "1").exists()
    assert [] == leftovers(tmp_path)


def test_somebody_elses_version_in_its_place_is_left_there_and_said_so(tmp_path, monkeypatch):
    publish_text(tmp_path / "other", "other")

    def swap(folder):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "other" / "digits" / "1", folder)

    harm_after_rename(monkeypatch, swap)

    with pytest.raises(PublishFailed, match="another version is there now"):
        publish_text(tmp_path, "one")
    assert "other" == (tmp_path / "digits" / "1" / "model.onnx").read_text()


def test_a_rename_whose_answer_was_lost_counts_once(tmp_path, monkeypatch):
    """A file server does it, the answer is lost, the client asks again: the source is gone."""
    rename = Path.rename

    def renamed_twice(source, target):
        rename(source, target)
        return rename(source, target)

    publish_text(tmp_path, "one")
    monkeypatch.setattr(_claim.Path, "rename", renamed_twice)

    assert 2 == publish_text(tmp_path, "two").version
    monkeypatch.undo()
    assert [1, 2] == [entry.version for entry in verify(tmp_path, "digits")]


@pytest.mark.parametrize(
    "put",
    [Path.touch, lambda path: path.symlink_to("nowhere"), lambda path: path.symlink_to("1")],
    ids=["file", "dangling link", "link to a version"],
)
def test_anything_of_that_name_takes_a_number(tmp_path, put):
    publish_text(tmp_path, "one")
    put(tmp_path / "digits" / "3")

    assert 4 == publish_text(tmp_path, "two").version
    with pytest.raises(VersionTaken, match="use version 5"):
        publish_text(tmp_path, "three", version=3)


def test_numbers_that_are_refused_without_end_end(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(Path, "rename", refuse)

    with pytest.raises(PublishFailed, match="expected a free number"):
        publish_text(tmp_path, "one")


def test_a_version_says_when_it_was_published_whatever_its_folder_says(tmp_path):
    published = publish_text(tmp_path, "one")
    os.utime(published.path, (0, 0))
    copy = shutil.copytree(tmp_path / "digits", tmp_path / "copy" / "digits").parent

    (here,), (there,) = find_model(tmp_path, "digits").versions, find_model(copy, "digits").versions

    assert here.published_at == there.published_at
    assert abs(here.published_at.timestamp() - time.time()) < 3600
    verify(copy, "digits")


def test_a_rollback_says_when_it_was_published_itself_and_holds_the_same_files(tmp_path):
    for text in ("one", "two"):
        publish_text(tmp_path, text)
    publication = tmp_path / "digits" / "1" / "publication.json"
    document = json.loads(publication.read_text())

    source, published = rollback(tmp_path, "digits")

    assert source.model() == find_model(tmp_path, "digits").version(published.version).model()
    assert document["id"] != json.loads((published.path / "publication.json").read_text())["id"]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "{}",
        '{"published_at": 3}',
        '{"published_at": "2026"}',
        '{"published_at": "2026-01-01T00:00:00"}',
        "\0",
    ],
)
def test_a_version_that_does_not_say_when_says_nothing(tmp_path, text):
    published = publish_text(tmp_path, "one")
    (published.path / "publication.json").unlink()
    if text is not None:
        (published.path / "publication.json").write_text(text)

    assert find_model(tmp_path, "digits").served.published_at is None


def test_two_publications_of_the_same_bytes_have_two_manifests(tmp_path):
    manifests = {(publish_text(tmp_path, "same").path / MANIFEST).read_bytes() for _ in range(2)}

    assert 2 == len(manifests)
    assert [1, 2] == numbers(tmp_path)
