"""One name under which the project is installed, everywhere."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from slipway.distribution import DISTRIBUTION, Extra, install_hint

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def texts():
    """What the project tells people and machines: every committed text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        path = ROOT / name
        if name and path.is_file() and path.suffix not in {".png", ".svg", ".gz", ".txt", ".sum", ".json"}:
            yield name, path.read_text(encoding="utf-8", errors="replace")


def test_the_project_has_the_name_that_hints_use():
    assert PROJECT["name"] == DISTRIBUTION


def test_every_extra_can_be_named_in_a_hint():
    assert set(PROJECT["optional-dependencies"]) == set(get_args(Extra))


def test_a_hint_is_a_command():
    assert 'pip install "slipway-serving[remote]"' == install_hint("remote")
    assert 'pip install "slipway-serving[loadtest,serve]"' == install_hint("loadtest", "serve")


@pytest.mark.parametrize("wrong", [r"\bslipway\[", r"(pip|uv) install[^\n]* ['\"]?slipway['\"]?(\s|$|=)"])
def test_no_text_installs_the_project_of_another_owner(wrong):
    found = {name for name, text in texts() if re.search(wrong, text, re.MULTILINE)}

    assert set() == found - {"tests/unit/test_distribution.py"}
