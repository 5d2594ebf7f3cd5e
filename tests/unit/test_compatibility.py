"""Files that version 0.1.0 wrote or shipped are still read, as docs/compatibility.md promises."""

import re
import tomllib
from pathlib import Path

import pytest

import loadtest.scenario.scenario_file as load_scenarios
import rehearsal.experiment.scenario.schema as rehearsal_scenarios
from slipway.capacity import read_capacity
from slipway.model_config import parse_config, read_contract, read_profile
from slipway.repository import MANIFEST
from training.recipe import load_recipe

ROOT = Path(__file__).parents[2]
OLD = Path(__file__).with_name("files_of_0_1_0")
PAGE = (ROOT / "docs" / "compatibility.md").read_text()
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def files(folder):
    return [pytest.param(path, id=path.stem) for path in sorted((OLD / folder).glob("*.yaml"))]


@pytest.mark.parametrize("path", files("recipes"))
def test_an_old_recipe_is_read_and_names_a_network_that_exists(path):
    recipe = load_recipe(str(path))

    module, _, function = recipe.network.builder.partition(":")
    assert hasattr(pytest.importorskip(module), function)


@pytest.mark.parametrize("path", files("scenarios"))
def test_an_old_scenario_of_a_load_test_is_read(path):
    assert load_scenarios.load_scenario(str(path)).description


@pytest.mark.parametrize("path", files("rehearsals"))
def test_an_old_scenario_of_a_rehearsal_is_read(path):
    assert rehearsal_scenarios.load_scenario(str(path)).description


def test_an_old_capacity_is_read():
    capacity = read_capacity(OLD / "capacity.yaml")

    assert (1081.0, 864.9, 1.739) == (
        capacity.replica.requests_per_s,
        capacity.target.requests_per_s,
        capacity.target.in_flight,
    )


def test_an_old_configuration_has_its_contract_without_what_was_added_since():
    config = parse_config((OLD / "config.pbtxt").read_text())
    contract = read_contract(config)

    assert ("mnist", (28, 28, 1), 16, None) == (
        contract.name,
        contract.image_shape,
        contract.max_batch_size,
        contract.background,
    )
    assert tuple("0123456789") == contract.labels
    assert 2 == read_profile(config).instances


def test_a_configuration_with_parameters_of_a_newer_release_is_read():
    newer = (OLD / "config.pbtxt").read_text() + 'parameters { key: "newer" value { string_value: "x" } }\n'

    assert tuple("0123456789") == read_contract(parse_config(newer)).labels


def test_the_changelog_has_the_version_of_the_project_and_what_is_not_released():
    headings = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert ["Unreleased", VERSION] == headings[:2]


def test_the_page_names_each_format_that_files_of_ours_state():
    assert "manifest.sha256" == MANIFEST
    for name in ("recipe", "scenario", "capacity.yaml", "manifest.sha256", "config.pbtxt", "values.yaml"):
        assert f"`{name}`" in PAGE or f"| {name}" in PAGE
