"""`slipway loadtest` and `locust`, run as a person runs them, and what they leave."""

import os
import re
import subprocess
import sys
from pathlib import Path

from loadtest.result.run_result import read_result
from tests import children

SLIPWAY = Path(sys.executable).with_name("slipway")
LOCUST = Path(sys.executable).with_name("locust")
LOCUSTFILE = Path(__file__).parents[2] / "loadtest" / "locustfile.py"
# A test machine is busy: what is tested is whether a late generator is told, not how late this one is.
PATIENT = ("--set", "generator.max_lag_ms=1000")
WIDE = {**os.environ, "COLUMNS": "500"}


class Ended:
    """A command that has ended: exit code, what it said, and the report if it wrote one."""

    def __init__(self, returncode, stdout, stderr, cwd):
        self.exit_code, self.stdout, self.stderr, self.cwd = returncode, stdout, stderr, cwd

    @property
    def page(self):
        return self.cwd / re.search(r"report: (\S+)", self.stdout)[1]

    @property
    def result(self):
        return read_result(self.page.parent)


def loadtest(*words, cwd, timeout_s=120):
    done = subprocess.run(
        [SLIPWAY, "loadtest", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=WIDE,
        timeout=timeout_s,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return Ended(done.returncode, done.stdout, done.stderr, cwd)


def started(*words, cwd):
    pipe = subprocess.PIPE
    return children.started(*words, stdout=pipe, stderr=pipe, text=True, cwd=cwd, env=WIDE)
