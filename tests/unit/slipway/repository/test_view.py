import hashlib
import os
import re
import shutil

import pytest

from slipway.repository import (
    MANIFEST,
    ModelDamaged,
    ModelNotPublished,
    PublishFailed,
    VersionDamaged,
    VersionNotFound,
    build_view,
    publish,
    pull,
    push,
)
from tests.unit.digits_repository import DIGITS, FILES, damage_byte, publish_text

SHARED = {"config.pbtxt", "configs/gpu.pbtxt", "labels.txt"}


def shown(view):
    return {path.relative_to(view.path).as_posix() for path in view.path.rglob("*") if not path.is_dir()}


def test_only_the_listed_files_of_the_newest_version_are_shown(tmp_path):
    for text in ("one", "two"):
        published = publish_text(tmp_path / "repository", text)
    for name in ("model.py", "triton_python_backend_stub", "libtriton_onnxruntime.so", "credentials", "configs/x.so"):
        (published.path.parent / name).write_text("planted")
    (published.path.parent / "3").write_text("a stray file")

    (view,) = build_view(tmp_path / "repository", ["digits"], tmp_path / "view")

    assert SHARED | {"2/card.json", "2/model.onnx", "2/publication.json"} >= shown(view) >= SHARED | {"2/model.onnx"}
    assert ("digits", 2, ()) == (view.model, view.version, view.skipped)
    assert "two" == (view.path / "2" / "model.onnx").read_text()


def test_what_is_shown_is_a_copy_that_nobody_else_can_write(tmp_path):
    published = publish_text(tmp_path / "repository", "one")

    (view,) = build_view(tmp_path / "repository", ["digits"], tmp_path / "view")
    damage_byte(published.path)

    assert "one" == (view.path / "1" / "model.onnx").read_text()
    assert 0o700 == view.path.stat().st_mode & 0o777
    assert all(not path.is_symlink() for path in view.path.rglob("*"))


def test_folders_below_a_version_come_too(tmp_path):
    def fill(folder):
        (folder / "model.onnx").write_text("graph")
        (folder / "weights" / "first").mkdir(parents=True)
        (folder / "weights" / "first" / "layer 1.bin").write_bytes(b"w" * 3_000_000)

    publish(tmp_path / "repository", DIGITS, FILES, fill)

    (view,) = build_view(tmp_path / "repository", ["digits"], tmp_path / "view")

    assert 3_000_000 == (view.path / "1" / "weights" / "first" / "layer 1.bin").stat().st_size


def test_a_version_can_be_asked_for_and_is_then_the_only_one(tmp_path):
    for text in ("one", "two"):
        publish_text(tmp_path / "repository", text)

    (view,) = build_view(tmp_path / "repository", ["digits"], tmp_path / "view", versions={"digits": 1})

    assert ["1"] == [path.name for path in view.path.iterdir() if path.name.isdigit()]
    with pytest.raises(VersionNotFound):
        build_view(tmp_path / "repository", ["digits"], tmp_path / "other", versions={"digits": 7})


def test_a_damaged_newest_version_is_stepped_over_and_named_unless_it_was_asked_for(tmp_path):
    for text in ("one", "two", "three"):
        published = publish_text(tmp_path / "repository", text)
    damage_byte(published.path)
    os.truncate(published.path.parent / "2" / MANIFEST, 70)

    (view,) = build_view(tmp_path / "repository", ["digits"], tmp_path / "view")

    assert 1 == view.version
    assert "model.onnx is changed" in view.skipped[0]
    assert "cut off" in view.skipped[1]
    assert {"1"} == {name.partition("/")[0] for name in shown(view) - SHARED}
    with pytest.raises(VersionDamaged, match=r"model\.onnx is changed"):
        build_view(tmp_path / "repository", ["digits"], tmp_path / "view", versions={"digits": 3})


def test_where_every_version_is_damaged_nothing_is_shown(tmp_path):
    published = publish_text(tmp_path / "repository", "one")
    damage_byte(published.path)

    with pytest.raises(VersionDamaged, match=r"no version that can be served.*model\.onnx is changed"):
        build_view(tmp_path / "repository", ["digits"], tmp_path / "view")


def test_a_version_that_is_here_by_its_number_alone_is_told_from_a_damaged_one(tmp_path):
    publish_text(tmp_path / "desk", "one")
    push(tmp_path / "desk", f"file://{tmp_path}/bucket")
    pull(tmp_path / "job", f"file://{tmp_path}/bucket")

    with pytest.raises(VersionDamaged, match=r"holds only the manifest.*--all"):
        build_view(tmp_path / "job", ["digits"], tmp_path / "view")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda model: (model / "config.pbtxt").write_text("backend: 'python'"), "config.pbtxt is changed"),
        (lambda model: (model / "labels.txt").unlink(), "labels.txt is missing"),
        (lambda model: (model / MANIFEST).unlink(), "slipway models seal digits"),
        (lambda model: (model / MANIFEST).write_bytes(b""), "slipway models seal digits"),
        (lambda model: [(model / "labels.txt").unlink(), os.mkfifo(model / "labels.txt")], "not a regular file"),
        (lambda model: [(model / "labels.txt").unlink(), (model / "labels.txt").symlink_to("/dev/zero")], "labels.txt"),
    ],
    ids=["changed", "missing", "no manifest", "empty manifest", "pipe", "endless link"],
)
def test_shared_files_that_are_not_the_sealed_ones_are_not_shown(tmp_path, harm, words):
    published = publish_text(tmp_path / "repository", "one")
    harm(published.path.parent)

    with pytest.raises(ModelDamaged, match=words):
        build_view(tmp_path / "repository", ["digits"], tmp_path / "view")


def test_a_configuration_is_chosen_by_name_and_only_among_those_that_are_sealed(tmp_path):
    published = publish_text(tmp_path / "repository", "one")
    shutil.copy(published.path.parent / "config.pbtxt", published.path.parent / "configs" / "mine.pbtxt")

    build_view(tmp_path / "repository", ["digits"], tmp_path / "view", config_name="gpu")

    for name in ("mine", "../config", "/etc/passwd", "gpu/../gpu", ""):
        with pytest.raises(ModelNotPublished, match=r"configs/gpu\.pbtxt"):
            build_view(tmp_path / "repository", ["digits"], tmp_path / "view", config_name=name)


def test_without_comparing_everything_but_code_is_shown(tmp_path):
    published = publish_text(tmp_path / "repository", "one")
    (published.path / MANIFEST).unlink()
    (published.path.parent / MANIFEST).unlink()
    (published.path / "weights.bin").write_text("by hand")
    (published.path / "model.py").write_text("planted")
    (published.path.parent / "triton_python_backend_stub").write_text("planted")
    (published.path / "link").symlink_to("/etc/passwd")

    (view,) = build_view(tmp_path / "repository", ["digits"], tmp_path / "view", compare=False)

    assert {"1/model.onnx", "1/weights.bin"} <= shown(view)
    assert set() == {name for name in shown(view) if "model.py" in name or "stub" in name or "link" in name}
    assert "" == view.manifest_sha256


def test_what_is_swapped_while_it_is_copied_is_not_shown(tmp_path, monkeypatch):
    """The bytes that are copied are the bytes that are hashed: a swap between two looks changes nothing."""
    from slipway.repository import _view

    published = publish_text(tmp_path / "repository", "one")

    def find_unlisted_then_swap(*_):
        shutil.copy(published.path / "model.onnx", tmp_path / "good")
        (published.path / "model.onnx").unlink()
        (published.path / "model.onnx").symlink_to(tmp_path / "good")
        return []

    monkeypatch.setattr(_view, "find_unlisted", find_unlisted_then_swap)

    with pytest.raises(VersionDamaged, match=r"model\.onnx cannot be read"):
        build_view(tmp_path / "repository", ["digits"], tmp_path / "view")


def test_views_of_the_same_version_say_so_and_of_another_differ(tmp_path):
    for text in ("one", "two"):
        publish_text(tmp_path / "repository", text)
    digests = [
        build_view(tmp_path / "repository", ["digits"], tmp_path / f"{i}", versions={"digits": version})[
            0
        ].manifest_sha256
        for i, version in enumerate((1, 1, 2))
    ]

    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_a_view_that_cannot_be_written_says_why(tmp_path):
    publish_text(tmp_path / "repository", "one")
    (tmp_path / "view").write_text("a file where the folder should be")

    with pytest.raises(PublishFailed, match="tritonserver"):
        build_view(tmp_path / "repository", ["digits"], tmp_path / "view")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('backend: "python" max_batch_size: 1', 'got backend: "python"'),
        ('backend: "onnxruntime" runtime: "model.py"', 'got runtime: "model.py"'),
        ("no configuration", "not a Triton model configuration"),
    ],
)
@pytest.mark.parametrize("config_name", [None, "gpu"])
def test_a_configuration_that_would_run_other_code_is_not_shown_although_its_manifest_lists_it(
    tmp_path, text, said, config_name
):
    model = publish_text(tmp_path / "repository", "one").path.parent
    name = "config.pbtxt" if config_name is None else f"configs/{config_name}.pbtxt"
    forge(model, name, text)

    with pytest.raises(ModelDamaged, match=re.escape(f"{name}: ")) as caught:
        build_view(tmp_path / "repository", ["digits"], tmp_path / "view", config_name=config_name)
    assert said in str(caught.value)


def forge(model, name, text):
    """Write a shared file, and its line of the manifest."""
    before = hashlib.sha256((model / name).read_bytes()).hexdigest()
    (model / name).write_text(text)
    after = hashlib.sha256(text.encode()).hexdigest()
    (model / MANIFEST).write_text((model / MANIFEST).read_text().replace(before, after))
