"""One name under which the project is installed, everywhere."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest

import slipway
from slipway.cli import main
from slipway.distribution import DISTRIBUTION, Extra, install_hint, installed_version

ROOT = Path(__file__).parents[3]
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

    assert set() == found - {"tests/unit/slipway/test_distribution.py"}


def test_the_version_is_the_one_of_the_project():
    assert PROJECT["version"] == slipway.__version__


def test_a_checkout_that_is_not_installed_has_no_version_to_tell(monkeypatch):
    monkeypatch.setattr("slipway.distribution.DISTRIBUTION", "slipway-that-nobody-installed")

    assert "0+unknown" == installed_version() == slipway.__version__


def test_the_command_prints_the_version(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["slipway", "--version"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert 0 == ended.value.code
    assert f"slipway {PROJECT['version']}\n" == capsys.readouterr().out


def test_importing_slipway_does_not_read_the_metadata_of_packages():
    script = "import sys, slipway; sys.exit('importlib.metadata' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode


def test_slipway_has_no_attribute_that_it_does_not_name():
    with pytest.raises(AttributeError, match="no attribute 'version'"):
        slipway.version  # noqa: B018 - the look-up is what is tested
