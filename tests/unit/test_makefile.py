"""`make clean`, carried out in a folder that holds what make builds."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

from rehearsal.cluster.controlplane.spec import LOCK

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def built(tmp_path):
    """A repository in which a rehearsal has run and a cluster was, in a folder whose name has a space."""
    shutil.copyfile(Path(__file__).parents[2] / "Makefile", tmp_path / "Makefile")
    for name in ("runs/the rack", "runs/rehearsal", "dist"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "runs" / "the rack" / LOCK).touch()
    return tmp_path


def clean(folder):
    return subprocess.run(["make", "clean"], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_clean_leaves_everything_where_a_cluster_is_up(built):
    with (built / "runs" / "the rack" / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = clean(built)

    assert 0 != done.returncode
    assert "slipway cluster down --folder runs/the rack" in done.stdout
    assert (built / "runs" / "rehearsal").is_dir()
    assert (built / "dist").is_dir()


def test_clean_removes_what_a_cluster_left_that_is_gone(built):
    done = clean(built)

    assert (0, "") == (done.returncode, done.stderr)
    assert not (built / "runs").exists()


def test_clean_needs_nothing_to_be_there(built):
    clean(built)

    assert 0 == clean(built).returncode
