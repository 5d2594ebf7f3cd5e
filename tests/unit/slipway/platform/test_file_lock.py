"""One holder at a time, and none after its process has ended."""

import signal
import subprocess
import sys

import pytest

from slipway.platform.file_lock import FileLock

HOLDER = """
import sys, time
from pathlib import Path
from slipway.platform.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.try_acquire(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


@pytest.mark.usefixtures("holder")
def test_what_another_process_holds_is_not_taken(tmp_path):
    with FileLock(tmp_path / "lock") as lock:
        assert not lock.try_acquire()


def test_a_kill_of_the_holder_sets_it_free(tmp_path, holder):
    with FileLock(tmp_path / "lock") as lock:
        holder.send_signal(signal.SIGKILL)
        lock.acquire()

        assert lock.try_acquire()


def test_it_is_free_again_when_it_was_closed(tmp_path):
    first = FileLock(tmp_path / "lock")
    first.try_acquire()
    first.close()
    first.close()
    with FileLock(tmp_path / "lock") as second:
        assert second.try_acquire()


def test_a_missing_file_is_made_only_where_it_may(tmp_path):
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "lock", create=False)

    assert [] == list(tmp_path.iterdir())
