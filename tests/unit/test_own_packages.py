"""A package of the user's that has the name of one of ours is never run in its place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SLIPWAY = Path(sys.executable).with_name("slipway")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    """A user's folder with packages of our names; what they would do is seen on standard output."""
    for name in ("loadtest", "rehearsal", "training"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        commands = "".join(f"def {command}() -> None: print('theirs')\n" for command in ("demo", "loadtest", "train"))
        (tmp_path / name / "cli.py").write_text(commands)
    return tmp_path


def run(*words, cwd, path):
    return subprocess.run(
        [SLIPWAY, *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*path, str(ROOT)])},
    )


@pytest.mark.parametrize(
    ("words", "package"),
    [
        (("train", "--recipe", "seed"), "training"),
        (("demo",), "training"),
        (("loadtest", "smoke"), "loadtest"),
        (("rehearse", "step"), "rehearsal"),
    ],
)
def test_a_package_of_our_name_that_comes_first_is_refused_with_the_remedy(project, words, package):
    done = run(*words, cwd=project, path=["."])

    assert (2, "") == (done.returncode, done.stdout)
    assert f"Slipway's own package `{package}` in {ROOT / package}, got another" in done.stderr
    assert str(project / package) in done.stderr
    assert "off PYTHONPATH" in done.stderr


def test_a_rehearsal_refuses_another_loadtest_too(project):
    (project / "rehearsal" / "__init__.py").rename(project / "rehearsal" / "theirs.txt")
    (project / "rehearsal").rename(project / "other")

    done = run("rehearse", "step", cwd=project, path=["."])

    assert 2 == done.returncode
    assert "Slipway's own package `loadtest`" in done.stderr


def test_the_commands_that_are_not_concerned_go_on_and_the_list_names_the_others(project):
    done = run("models", "--help", cwd=project, path=["."])
    listed = run("--help", cwd=project, path=["."])

    assert (0, 0) == (done.returncode, listed.returncode)
    assert 7 == listed.stdout.count("Another package named")


def test_a_working_folder_with_packages_of_our_names_changes_nothing(project):
    done = run("train", "--help", cwd=project, path=[])

    assert 0 == done.returncode
    assert "--resume" in done.stdout


def test_a_folder_of_our_name_without_code_is_no_package(project):
    (project / "training" / "__init__.py").unlink()
    (project / "training" / "cli.py").unlink()

    done = run("train", "--help", cwd=project, path=["."])

    assert 0 == done.returncode, "a folder without __init__.py never comes before a package"
