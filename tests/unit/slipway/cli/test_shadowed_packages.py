"""A package of the user's that has the name of one of ours is never run in its place."""

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from slipway.cli._shadowed_packages import find_shadows

SLIPWAY = Path(sys.executable).with_name("slipway")
ROOT = Path(__file__).parents[4]


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
    assert "from PYTHONPATH" in done.stderr


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


@pytest.mark.parametrize("path", [(), (".",)], ids=["in the working folder", "on PYTHONPATH"])
def test_locust_takes_our_loadtest_beside_another_one(project, path):
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", ROOT / "loadtest" / "locustfile.py", "--list"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*path, str(ROOT)])},
    )

    assert 0 == done.returncode, done.stderr
    assert "ClassifierUser" in done.stdout


def installed(site, name, files):
    """Install a distribution as a wheel would be: its files, and their sizes in RECORD."""
    about = site / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    for file, text in files.items():
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text(text)
    (about / "RECORD").write_text("".join(f"{file},sha256=x,{len(text)}\n" for file, text in files.items()))
    (about / "entry_points.txt").write_text("[slipway.commands]\ntrain = training.cli:train\n")


OURS = {"slipway/__init__.py": "", "training/__init__.py": "ours", "training/cli.py": "def train(): 'ours'"}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages, where Slipway is installed."""
    installed(tmp_path, "slipway-serving", OURS)
    monkeypatch.setattr("slipway.__file__", str(tmp_path / "slipway" / "__init__.py"))
    monkeypatch.setattr("slipway.cli._shadowed_packages._folder", lambda package: tmp_path / package)
    return tmp_path


def shadows(site):
    (ours,) = [each for each in distributions(path=[str(site)]) if each.name == "slipway-serving"]
    (train,) = ours.entry_points
    return find_shadows(train)


def test_a_distribution_that_replaced_our_files_is_named_with_the_remedy(site):
    installed(site, "trainer", {"training/cli.py": "def main(): ..."})

    error = shadows(site)

    assert 2 == error.exit_status
    assert "file training/cli.py, got the one of the distribution trainer" in str(error)
    assert "pip install --force-reinstall --no-deps slipway-serving" in str(error)


def test_an_installed_file_that_was_edited_in_place_is_the_users_own(site):
    (site / "training" / "cli.py").write_text("def train(): 'ours, with a print'")

    assert shadows(site) is None


def test_a_distribution_with_other_files_in_our_folder_takes_nothing_away(site):
    installed(site, "trainer", {"training/other.py": ""})

    assert shadows(site) is None


def test_a_distribution_that_comes_before_an_editable_installation_is_named(site, monkeypatch, tmp_path_factory):
    theirs = tmp_path_factory.mktemp("site-packages")
    installed(theirs, "trainer", {"training/__init__.py": ""})
    monkeypatch.setattr("slipway.cli._shadowed_packages._folder", lambda package: theirs / package)

    assert "distribution trainer contains it: uninstall that" in str(shadows(site))
