import os
import shutil
import subprocess

import pytest

from slipway.repository import (
    MANIFEST,
    ModelNotPublished,
    NothingToRollBack,
    PublishFailed,
    VersionDamaged,
    VersionNotFound,
    find_model,
    list_models,
    prune,
    rollback,
    verify,
)
from tests.unit.digits_repository import damage_byte, leftovers, numbers, publish_text


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


def test_a_models_folder_is_no_repository(tmp_path):
    """Given one part of the path too many, a training published `digits/digits/1`, where nobody looks."""
    publish_text(tmp_path, "one")
    folder = tmp_path / "digits"

    for find in (list_models, lambda root: find_model(root, "digits"), lambda root: verify(root, "digits")):
        with pytest.raises(ModelNotPublished, match="digits is a model's folder: expected the repository above it"):
            find(folder)
    with pytest.raises(PublishFailed, match="digits is a model's folder"):
        publish_text(folder, "two")
    assert not (folder / "digits").exists()


def test_unknown_names_are_answered_with_the_known_ones(tmp_path):
    publish_text(tmp_path, "one")

    with pytest.raises(ModelNotPublished, match="available: digits"):
        find_model(tmp_path, "letters")
    with pytest.raises(VersionNotFound, match="published: 1"):
        verify(tmp_path, "digits", 7)
    with pytest.raises(ModelNotPublished, match="is no model repository"):
        list_models(tmp_path / "nowhere")


def test_folders_that_triton_ignores_or_dies_of_are_no_versions(tmp_path):
    publish_text(tmp_path, "one")
    for name in ("01", "0", "x2", ".scratch-1", "configs", str(2**63), "20261128034729123456"):
        (tmp_path / "digits" / name).mkdir(exist_ok=True)

    assert [1] == numbers(tmp_path)


def test_rollback_publishes_the_older_bytes_under_the_next_number(tmp_path):
    for text in ("one", "two"):
        publish_text(tmp_path, text)

    os.utime(tmp_path / "digits" / "1", (0, 0))

    source, published = rollback(tmp_path, "digits")

    assert 2026 <= find_model(tmp_path, "digits").served.published_at.year
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
