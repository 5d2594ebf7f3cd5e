import json
import multiprocessing
import os
import random
import resource
import shutil
import stat
import subprocess
import time

import pytest

from slipway.contract import ModelContract
from slipway.model_config import ServingProfile, parse_config, read_contract
from slipway.repository import (
    MANIFEST,
    ContractChanged,
    ModelNotPublished,
    NothingToRollBack,
    PublishFailed,
    VersionDamaged,
    VersionNotFound,
    VersionTaken,
    check_publishable,
    find_model,
    list_models,
    model_files,
    prune,
    publish,
    rollback,
    verify,
)

DIGITS = ModelContract(name="digits", image_shape=(28, 28, 1), labels=tuple("0123456789"), max_batch_size=16)
CPU, GPU = ServingProfile(accelerator="cpu", instances=2), ServingProfile(accelerator="gpu", instances=1)
FILES = model_files(DIGITS, cpu=CPU, gpu=GPU)


def holding(text):
    def fill(folder):
        (folder / "model.onnx").write_text(text)
        (folder / "card.json").write_text(json.dumps({"about": text}))

    return fill


def publish_text(root, text, **kwargs):
    return publish(root, DIGITS, FILES, holding(text), **kwargs)


def numbers(root):
    return [entry.version for entry in find_model(root, "digits").versions]


def leftovers(root):
    return [path for path in (root / "digits").iterdir() if path.name.startswith(".")]


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


def test_failed_fill_leaves_the_repository_untouched(tmp_path):
    def boom(folder):
        (folder / "half").write_text("x")
        raise RuntimeError("training fell over")

    with pytest.raises(RuntimeError, match="fell over"):
        publish(tmp_path, DIGITS, FILES, boom)

    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_changed_door_is_refused_and_a_larger_batch_is_not(tmp_path):
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


def damage_byte(folder):
    content = bytearray((folder / "model.onnx").read_bytes())
    content[1] ^= 1
    (folder / "model.onnx").write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_byte, "model.onnx is changed"),
        (lambda folder: (folder / "model.onnx").unlink(), "model.onnx is missing"),
        (lambda folder: (folder / "extra.bin").write_text("x"), "extra.bin is not listed"),
        (lambda folder: (folder / MANIFEST).unlink(), "no readable manifest"),
        (lambda folder: (folder / MANIFEST).write_text("nonsense\n"), "line 1"),
    ],
    ids=["one-bit", "missing-file", "extra-file", "no-manifest", "broken-manifest"],
)
def test_verify_names_what_is_wrong(tmp_path, damage, words):
    published = publish_text(tmp_path, "one")
    verify(tmp_path, "digits")

    damage(published.path)

    with pytest.raises(VersionDamaged, match=words):
        verify(tmp_path, "digits", 1)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no coreutils")
def test_manifest_is_what_sha256sum_checks(tmp_path):
    published = publish_text(tmp_path, "one")
    command = ["sha256sum", "--check", "--strict", "--quiet", MANIFEST]

    intact = subprocess.run(command, cwd=published.path, capture_output=True, check=False)
    damage_byte(published.path)
    damaged = subprocess.run(command, cwd=published.path, capture_output=True, check=False)

    assert 0 == intact.returncode
    assert 0 != damaged.returncode


def test_unknown_names_are_answered_with_the_known_ones(tmp_path):
    publish_text(tmp_path, "one")

    with pytest.raises(ModelNotPublished, match="there are: digits"):
        find_model(tmp_path, "letters")
    with pytest.raises(VersionNotFound, match="published: 1"):
        verify(tmp_path, "digits", 7)
    with pytest.raises(ModelNotPublished, match="is no model repository"):
        list_models(tmp_path / "nowhere")


def test_folders_that_triton_ignores_are_no_versions(tmp_path):
    publish_text(tmp_path, "one")
    for name in ("01", "0", "x2", ".scratch-1", "configs"):
        (tmp_path / "digits" / name).mkdir(exist_ok=True)

    assert [1] == numbers(tmp_path)


def test_rollback_publishes_the_older_bytes_under_the_next_number(tmp_path):
    for text in ("one", "two"):
        publish_text(tmp_path, text)

    source, published = rollback(tmp_path, "digits")

    assert (1, 3) == (source.version, published.version)
    assert "one" == (published.path / "model.onnx").read_text()
    verify(tmp_path, "digits")


def test_second_rollback_goes_further_back_and_the_third_has_nowhere_to_go(tmp_path):
    for text in ("one", "two", "three"):
        publish_text(tmp_path, text)

    first, _ = rollback(tmp_path, "digits")
    second, _ = rollback(tmp_path, "digits")

    assert [2, 1] == [first.version, second.version]
    with pytest.raises(NothingToRollBack, match="published: 1, 2, 3, 4, 5"):
        rollback(tmp_path, "digits")


def test_rollback_to_the_served_bytes_or_to_damaged_ones_is_refused(tmp_path):
    for text in ("one", "two"):
        publish_text(tmp_path, text)
    damage_byte(tmp_path / "digits" / "1")

    with pytest.raises(NothingToRollBack, match="already"):
        rollback(tmp_path, "digits", to=2)
    with pytest.raises(VersionDamaged, match=r"model\.onnx"):
        rollback(tmp_path, "digits", to=1)
    assert [1, 2] == numbers(tmp_path)


def test_prune_keeps_the_newest_and_dry_run_keeps_all(tmp_path):
    for text in ("one", "two", "three"):
        publish_text(tmp_path, text)

    would = prune(tmp_path, "digits", keep=2, dry_run=True)
    assert [1, 2, 3] == numbers(tmp_path)

    removed = prune(tmp_path, "digits", keep=2)

    assert [1] == [entry.version for entry in would] == [entry.version for entry in removed]
    assert [2, 3] == numbers(tmp_path)
    assert [] == leftovers(tmp_path)


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
        time.sleep(chance.uniform(0.002, 0.03))
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


def test_what_publish_would_refuse_is_refused_before_training(tmp_path):
    publish_text(tmp_path, "one")
    letters = ModelContract(name="digits", image_shape=(28, 28, 1), labels=tuple("abcdefghij"), max_batch_size=16)

    check_publishable(tmp_path, DIGITS)
    with pytest.raises(ContractChanged, match="labels"):
        check_publishable(tmp_path, letters)
    assert [] == leftovers(tmp_path)
