"""What a push sends of a folder that holds more than a model: what manifests list, and nothing else."""

import hashlib

import pytest

pytest.importorskip("s3fs", reason="the extra `remote` is not installed")
pytest.importorskip("moto", reason="the dependency group `test` is not installed")

from slipway.repository import ModelDamaged, push
from tests.unit.digits_repository import publish_text
from tests.unit.s3_store import below


def test_what_lies_beside_the_versions_stays_here(tmp_path, s3):
    folder = publish_text(tmp_path / "desk", "one").path.parent
    (folder / "credentials").write_text("secret")
    (folder / "model.bin").write_bytes(bytes(range(256)))
    (folder / "triton_python_backend_stub").write_bytes(b"\x7fELF")
    (folder / "notes").mkdir()
    (folder / "notes" / "todo.txt").write_text("x")
    (folder / "link").symlink_to("/etc/hostname")
    (folder / "configs" / "deep").mkdir()
    (folder / "configs" / "deep" / "x.pbtxt").write_text("x")
    (folder / "dangling").symlink_to("/nonexistent")

    push(tmp_path / "desk", s3.url)

    assert below(1) == s3.names()


def test_a_shared_file_that_is_a_link_is_not_followed(tmp_path, s3):
    folder = publish_text(tmp_path / "desk", "one").path.parent
    (tmp_path / "secret").write_text("secret")
    (folder / "labels.txt").unlink()
    (folder / "labels.txt").symlink_to(tmp_path / "secret")

    with pytest.raises(ModelDamaged, match="labels"):
        push(tmp_path / "desk", s3.url)
    assert set() == s3.names()


@pytest.mark.parametrize("name", ["config.pbtxt", "configs/gpu.pbtxt"])
def test_a_configuration_that_would_run_other_code_is_not_sent_although_its_manifest_lists_it(tmp_path, s3, name):
    folder = publish_text(tmp_path / "desk", "one").path.parent
    before = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / name).write_text((folder / name).read_text().replace('"onnxruntime"', '"python"'))
    after = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    manifest = folder / "manifest.sha256"
    manifest.write_text(manifest.read_text().replace(before, after))

    with pytest.raises(ModelDamaged, match=r'got backend: "python"\. It is not sent'):
        push(tmp_path / "desk", s3.url)
    assert set() == s3.names()
