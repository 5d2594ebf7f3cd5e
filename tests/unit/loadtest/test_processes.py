"""Which process runs a file of the load test is what a reader must know first: its first line says so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "loadtest"
PROCESSES = (
    "Any process: ",
    "Command and master: ",
    "Command, and master of `locust -f`: ",
    "Command: ",
    "Master and workers: ",
    "Master: ",
    "Worker to master: ",
    "Worker: ",
    "Workers and master: ",
)
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_begins_with_the_process_that_runs_it(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""

    assert docstring.startswith(PROCESSES)
