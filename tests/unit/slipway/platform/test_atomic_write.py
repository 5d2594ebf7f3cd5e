"""A file is replaced whole; a durable one keeps its name and its bytes through a power cut."""

import pytest

from slipway.platform.atomic_write import replacing, write_atomically
from tests.unit.power_cut import Disk


def test_a_durable_file_is_there_after_a_power_cut(tmp_path, monkeypatch):
    root = tmp_path / "folder"
    root.mkdir()
    disk = Disk(monkeypatch, root)
    with replacing(root / "file", durable=True) as scratch:
        scratch.write_bytes(b"all of it")
    left = disk.surviving(root, tmp_path / "left", unsynced_names=False)

    assert b"all of it" == (left / "file").read_bytes()


def test_a_power_cut_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    root, left = tmp_path / "folder", []
    root.mkdir()

    def cut():
        kept = disk.surviving(root, tmp_path / "left" / str(len(left)), unsynced_names=True)
        left.append((kept / "file").read_bytes() if (kept / "file").exists() else None)

    disk = Disk(monkeypatch, root, before_each=cut)
    for content in (b"old", b"new"):
        with replacing(root / "file", durable=True) as scratch:
            scratch.write_bytes(content)
    cut()

    assert [None, None, b"old", b"old", b"old", b"new", b"new"] == left  # before each fsync, rename, fsync


def test_a_block_that_raises_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    write_atomically(tmp_path / "file", "old")

    def interrupted():
        with replacing(tmp_path / "file") as scratch:
            scratch.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert "old" == (tmp_path / "file").read_text()
    assert ["file"] == [path.name for path in tmp_path.iterdir()]


def test_others_can_read_what_the_umask_lets_them(tmp_path):
    write_atomically(tmp_path / "new" / "file", "text")

    assert (tmp_path / "new" / "file").stat().st_mode == (tmp_path / "new" / "file").stat().st_mode | 0o444
