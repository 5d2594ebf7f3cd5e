import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.triton import ServeError
from slipway.triton._run_folder import RunFolder, forget_shared_memory

MAKE_ONE_AND_WAIT = """
import pathlib, sys, time
from slipway.triton._run_folder import RunFolder
print(RunFolder(pathlib.Path(sys.argv[1])).path, flush=True)
time.sleep(600)
"""


@pytest.fixture
def somebody(tmp_path):
    """Another process that has a folder in the same cache."""
    with subprocess.Popen(
        [sys.executable, "-c", MAKE_ONE_AND_WAIT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_only_this_user_enters_it_and_it_is_gone_at_the_end(tmp_path):
    folder = RunFolder(tmp_path)

    assert 0o700 == folder.path.stat().st_mode & 0o777 == folder.path.parent.stat().st_mode & 0o777
    folder.close()
    folder.close()
    assert not folder.path.exists()


def test_the_folder_of_a_living_process_stays_and_that_of_a_killed_one_goes_with_its_memory(tmp_path, somebody):
    process, theirs = somebody
    first = RunFolder(tmp_path)
    while_it_lived = theirs.exists()
    region = Path("/dev/shm", f"{theirs.name}-{secrets.token_hex(4)}")
    region.touch()
    process.kill()
    process.wait()
    second = RunFolder(tmp_path)

    assert while_it_lived
    assert not theirs.exists()
    assert not region.exists()
    assert first.path.exists()
    first.close()
    second.close()


def test_a_folder_whose_removal_was_cut_short_is_removed(tmp_path):
    (tmp_path / "servers" / "slipway-0123" / "repository").mkdir(parents=True)
    RunFolder(tmp_path).close()

    assert [] == list((tmp_path / "servers").iterdir())


def test_memory_of_others_stays():
    name = f"slipway-{secrets.token_hex(6)}"
    ours, theirs = Path("/dev/shm", f"{name}-1"), Path("/dev/shm", f"{name}0-1")
    ours.touch()
    theirs.touch()
    try:
        forget_shared_memory(name)

        assert (False, True) == (ours.exists(), theirs.exists())
    finally:
        theirs.unlink()


def test_a_cache_that_cannot_be_written_names_the_way_out(tmp_path):
    (tmp_path / "servers").touch()
    with pytest.raises(ServeError, match=r"cannot make a folder for the server in .*SLIPWAY_CACHE"):
        RunFolder(tmp_path)


def test_a_child_does_not_hold_the_lock(tmp_path):
    folder = RunFolder(tmp_path)

    assert not os.get_inheritable(folder._lock.fileno())
    folder.close()
