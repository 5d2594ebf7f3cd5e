"""What the programs of the control plane are built from, and where they are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal.cluster.toolchain.catalogue import CATALOGUE, MODULES
from rehearsal.cluster.toolchain.pins import read_pins
from rehearsal.cluster.toolchain.store import default_cache, linker_flags

ROOT = Path(__file__).parents[5]


def test_catalogue_names_every_folder_of_pins():
    assert {path.parent.name for path in MODULES.glob("*/go.mod")} == {program.name for program in CATALOGUE}


@pytest.mark.parametrize("program", CATALOGUE, ids=lambda program: program.name)
def test_pins_say_what_they_are_for_and_name_every_executable(program):
    text = (MODULES / program.name / "go.mod").read_text()

    assert text.startswith("// ")
    assert read_pins(MODULES / program.name).version(program.module).startswith("v")
    assert all(package in text.split() for package in program.executables.values())


def test_no_executable_has_two_programs():
    names = [name for program in CATALOGUE for name in program.executables]

    assert sorted(set(names)) == sorted(names)


def test_kubernetes_says_the_version_that_is_pinned():
    (kubernetes,) = (program for program in CATALOGUE if program.name == "kubernetes")
    pins = read_pins(MODULES / "kubernetes")
    version = pins.version("k8s.io/kubernetes")
    minor = version.split(".")[1]

    flags = linker_flags(kubernetes, pins).split()
    assert f"k8s.io/component-base/version.gitVersion={version}" in flags
    assert f"k8s.io/component-base/version.gitMinor={minor}" in flags


def test_tools_and_rehearsal_share_one_helm_and_one_go():
    assert MODULES / "helm" == (ROOT / "tools" / "helm").resolve()
    assert ROOT / "rehearsal" / "build" / "go.txt" == (ROOT / "requirements" / "go.txt").resolve()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SLIPWAY_CACHE": "/big"}, "/big/rehearsal"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/slipway/rehearsal"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/ada"}, "/home/ada/.cache/slipway/rehearsal"),
    ],
    ids=["chosen", "xdg", "relative-xdg-is-ignored"],
)
def test_programs_are_kept_in_the_user_s_cache(monkeypatch, variables, expected):
    for name in ("SLIPWAY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert Path(expected) == default_cache()
