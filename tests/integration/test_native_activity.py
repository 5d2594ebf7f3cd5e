"""The native backend's counter of requests, without tritonserver."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

import slipway.triton

pytestmark = pytest.mark.triton

NATIVE = Path(slipway.triton.__file__).parent / "onnxruntime_backend" / "native"
COUNT_TWICE = """
#include "activity.h"
%s
int main(void)
{
  Activity activity;
  activity_open(&activity);
  activity_count(&activity);
  activity_count(&activity);
  activity_close(&activity);
  return 0;
}
"""
FULL = f"int posix_fallocate(int file, long offset, long length) {{ return {errno.ENOSPC}; }}"


@pytest.mark.parametrize(("disk", "found"), [("", (2).to_bytes(8, "little")), (FULL, b"")], ids=["with space", "full"])
def test_counts_are_written_where_there_is_space_for_them(tmp_path, disk, found):
    (tmp_path / "main.c").write_text(COUNT_TWICE % disk)
    (tmp_path / "counters").mkdir()
    sources = (tmp_path / "main.c", NATIVE / "activity.c")
    subprocess.run(["cc", "-std=c11", "-I", NATIVE, "-o", tmp_path / "main", *sources], check=True)
    subprocess.run([tmp_path / "main"], env={**os.environ, "SLIPWAY_ACTIVITY": str(tmp_path / "counters")}, check=True)
    (counter,) = (tmp_path / "counters").iterdir()

    assert found == counter.read_bytes()
