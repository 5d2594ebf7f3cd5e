"""Programs that run prepared for gevent, as Locust does, each in a process of its own: pytest's stays as it is.

Where coverage is measured, it is measured in them, too; nothing else about them changes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python(*words):
    """The command line of a Python that is measured while this process is."""
    coverage = sys.modules.get("coverage")
    measured = coverage.Coverage.current() if coverage else None
    if measured is None:
        return [sys.executable, *map(str, words)]
    data = ROOT / measured.get_option("run:data_file")
    options = ("--parallel-mode", f"--data-file={data}", f"--rcfile={ROOT / 'pyproject.toml'}")
    return [sys.executable, "-m", "coverage", "run", *options, "--concurrency=thread,gevent", *map(str, words)]


def in_gevent(program, *arguments, timeout_s=60):
    """Run a program to its end, with gevent's patches made; what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.py"
        path.write_text(f"from gevent import monkey\nmonkey.patch_all()\n{program}")
        done = subprocess.run(
            python(path, *arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *_others()])},
        )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def _others():
    """An empty entry would be the folder in which the program starts."""
    return [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
