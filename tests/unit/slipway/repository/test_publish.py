import errno
import multiprocessing
import os
import random
import resource
import stat
import time
from pathlib import Path

import pytest

from slipway.contract import ModelContract
from slipway.model_config import parse_config, read_contract
from slipway.repository import (
    ContractChanged,
    PublishFailed,
    VersionTaken,
    check_publishable,
    model_files,
    prune,
    publish,
    verify,
)
from tests.unit.digits_repository import CPU, DIGITS, FILES, GPU, holding, leftovers, numbers, publish_text


def test_first_publication_makes_a_repository_that_triton_can_read(tmp_path):
    published = publish_text(tmp_path / "repository", "one")

    assert published.path == tmp_path / "repository" / "digits" / "1"
    assert {"labels.txt", "configs/gpu.pbtxt", "config.pbtxt"} == set(published.changed_files)
    config = (tmp_path / "repository" / "digits" / "config.pbtxt").read_text()
    assert DIGITS == read_contract(parse_config(config))
    assert [] == leftovers(tmp_path / "repository")


def test_second_publication_takes_the_next_number_and_leaves_equal_files_alone(tmp_path):
    publish_text(tmp_path, "one")
    before = (tmp_path / "digits" / "config.pbtxt").stat().st_ino

    second = publish_text(tmp_path, "two")

    assert 2 == second.version
    assert () == second.changed_files
    assert before == (tmp_path / "digits" / "config.pbtxt").stat().st_ino


def test_a_pruned_number_is_not_taken_again_while_a_higher_one_lives(tmp_path):
    for text in ("one", "two"):
        publish_text(tmp_path, text)
    prune(tmp_path, "digits", keep=1)

    assert 3 == publish_text(tmp_path, "three").version


def test_published_version_is_immutable(tmp_path):
    publish_text(tmp_path, "one")

    with pytest.raises(VersionTaken, match="use version 2"):
        publish_text(tmp_path, "other", version=1)
    assert "one" == (tmp_path / "digits" / "1" / "model.onnx").read_text()


@pytest.mark.parametrize("number", [-1, 0, 2**63])
def test_a_number_that_triton_does_not_serve_is_not_published(tmp_path, number):
    publish_text(tmp_path, "one")

    with pytest.raises(PublishFailed, match=rf"expected a version from 1 to {2**63 - 1}, .* got {number}: "):
        publish_text(tmp_path, "two", version=number)
    assert not (tmp_path / "digits" / str(number)).exists()
    assert [1] == numbers(tmp_path)


def test_after_the_highest_number_nothing_can_be_published(tmp_path):
    publish_text(tmp_path, "one", version=2**63 - 1)

    with pytest.raises(PublishFailed, match="remove the folder"):
        publish_text(tmp_path, "two")
    assert [2**63 - 1] == numbers(tmp_path)


def test_failed_fill_leaves_the_repository_untouched(tmp_path):
    def boom(folder):
        (folder / "half").write_text("x")
        raise RuntimeError("training fell over")

    with pytest.raises(RuntimeError, match="fell over"):
        publish(tmp_path, DIGITS, FILES, boom)

    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_changed_interface_is_refused_and_a_larger_batch_is_not(tmp_path):
    publish_text(tmp_path, "one")
    larger = ModelContract(name="digits", image_shape=(28, 28, 1), labels=DIGITS.labels, max_batch_size=64)
    letters = ModelContract(name="digits", image_shape=(28, 28, 1), labels=tuple("abcdefghij"), max_batch_size=16)

    with pytest.raises(ContractChanged, match=r"another `model:` name"):
        publish(tmp_path, letters, model_files(letters, cpu=CPU, gpu=GPU), holding("letters"))
    published = publish(tmp_path, larger, model_files(larger, cpu=CPU, gpu=GPU), holding("larger"))

    assert 2 == published.version
    assert {"config.pbtxt", "configs/gpu.pbtxt"} == set(published.changed_files)


def test_another_user_can_read_a_version_whatever_the_umask(tmp_path):
    previous = os.umask(0o077)
    try:
        published = publish_text(tmp_path / "repository", "one")
    finally:
        os.umask(previous)

    everything = [published.path.parent, *published.path.parent.rglob("*")]
    folders = {stat.S_IMODE(path.stat().st_mode) for path in everything if path.is_dir()}
    files = {stat.S_IMODE(path.stat().st_mode) for path in everything if path.is_file()}
    assert {0o755} == folders
    assert {0o644} == files


def test_two_publishers_at_once_never_take_one_number(tmp_path):
    fork = multiprocessing.get_context("fork")
    publishers = [fork.Process(target=publish_many, args=(tmp_path, f"publisher {i}", 15)) for i in range(4)]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join()

    assert [0] * 4 == [publisher.exitcode for publisher in publishers]
    assert list(range(1, 61)) == [entry.version for entry in verify(tmp_path, "digits")]
    assert [] == leftovers(tmp_path)


def publish_many(root, text, times):
    for i in range(times):
        publish_text(root, f"{text}, {i}")


def test_a_publisher_killed_at_any_moment_leaves_nothing_or_a_whole_version(tmp_path):
    fork = multiprocessing.get_context("fork")
    chance = random.Random(1)
    abandoned = 0
    for _ in range(120):
        publisher = fork.Process(target=publish_many, args=(tmp_path, "content " * 10_000, 10_000))
        publisher.start()
        time.sleep(chance.uniform(0.002, 0.12))
        publisher.kill()
        publisher.join()
        abandoned += bool(leftovers(tmp_path)) if (tmp_path / "digits").is_dir() else 0
        if numbers_or_none(tmp_path):
            verify(tmp_path, "digits", numbers(tmp_path)[-1])

    verified = verify(tmp_path, "digits")
    publish_text(tmp_path, "the last one tidies up")

    assert list(range(1, len(verified) + 1)) == [entry.version for entry in verified]
    assert abandoned > 10, "the kills came too late to interrupt anything"
    assert [] == leftovers(tmp_path)


def numbers_or_none(root):
    folder = root / "digits"
    return [path for path in folder.iterdir() if path.name.isdigit()] if folder.is_dir() else []


def test_a_refused_write_leaves_nothing_and_names_the_way_out(tmp_path):
    """RLIMIT_FSIZE makes the kernel itself refuse to write more, in the middle of a file."""
    publish_text(tmp_path, "one")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64_000, limits[1]))
    try:
        with pytest.raises(PublishFailed, match="Nothing was left behind"):
            publish_text(tmp_path, "x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert [1] == numbers(tmp_path)
    assert [] == leftovers(tmp_path)


def test_a_repository_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "repository").write_text("a file where the folder should be")

    with pytest.raises(PublishFailed, match="repository"):
        publish_text(tmp_path / "repository", "one")
    with pytest.raises(PublishFailed, match="repository"):
        check_publishable(tmp_path / "repository", DIGITS)


@pytest.fixture
def full_disk(monkeypatch):
    """From the given name on, the disk takes no more folder or file."""

    def fill(name):
        def refuse(path, *_arguments, **_options):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

        def limited(method):
            return lambda path, *rest, **kw: refuse(path) if name in path.name else method(path, *rest, **kw)

        for method in ("mkdir", "write_text"):
            monkeypatch.setattr(Path, method, limited(getattr(Path, method)))

    return fill


@pytest.mark.parametrize(
    "name", ["digits", ".scratch-", "version", "model.onnx", "manifest.sha256"], ids=lambda name: name.strip(".-")
)
@pytest.mark.parametrize("existed", ["", "repository"], ids=["new", "existing"])
def test_a_first_publication_that_a_full_disk_ends_leaves_nothing_of_its_own(tmp_path, full_disk, name, existed):
    (tmp_path / existed).mkdir(exist_ok=True)
    full_disk(name)

    with pytest.raises(PublishFailed, match="No space left"):
        publish_text(tmp_path / "repository" / "models", "one")
    assert [tmp_path / existed] * bool(existed) == list(tmp_path.rglob("*"))


def test_a_check_before_training_leaves_no_folder_for_a_model_that_misses_its_gates(tmp_path):
    check_publishable(tmp_path / "repository", DIGITS)

    assert [] == list(tmp_path.iterdir())


def test_a_folder_that_others_fill_meanwhile_stays(tmp_path):
    def fill(folder):
        (tmp_path / "repository" / "digits" / "labels.txt").write_text("theirs")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    with pytest.raises(PublishFailed, match="No space left"):
        publish(tmp_path / "repository", DIGITS, FILES, fill)

    assert "theirs" == (tmp_path / "repository" / "digits" / "labels.txt").read_text()
    assert [] == leftovers(tmp_path / "repository")


def test_what_publish_would_refuse_is_refused_before_training(tmp_path):
    publish_text(tmp_path, "one")
    letters = ModelContract(name="digits", image_shape=(28, 28, 1), labels=tuple("abcdefghij"), max_batch_size=16)

    check_publishable(tmp_path, DIGITS)
    with pytest.raises(ContractChanged, match="labels"):
        check_publishable(tmp_path, letters)
    assert [] == leftovers(tmp_path)
