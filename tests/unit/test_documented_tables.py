"""The tables of the pages say what the code does: what is retried, which layers there are, what is public."""

import importlib
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

import slipway.client
from loadtest.scenario.arrivals import Arrivals
from slipway.client._error_mapping import _MAPPINGS
from slipway.client._transport_failures import FailureKind
from slipway.deploy._request import Autoscaling, Cluster
from training.recipe import Recipe

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def text_of(page):
    return (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")


def rows(page, heading):
    """The cells of a table, row by row, under this heading of columns."""
    lines = text_of(page).partition(heading)[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


RETRIED = {name: cells[2] for cells in rows("client", "| error | when | retried |") for name in names(cells[0])}
RETRY_KINDS = [kind for kind in _MAPPINGS if kind is not FailureKind.UNTRUSTED]  # its row says so in its own words


@pytest.mark.parametrize("kind", RETRY_KINDS, ids=lambda kind: kind.name)
def test_the_clients_page_says_which_errors_are_retried(kind):
    mapping = _MAPPINGS[kind]

    assert mapping.retry == (RETRIED[mapping.error.__name__] in ("yes", "within the budget"))


def test_a_certificate_that_is_not_trusted_is_not_retried_as_the_page_says():
    (row,) = [cells for cells in rows("client", "| error | when | retried |") if "ServerUnavailable" in cells[0]]

    assert not _MAPPINGS[FailureKind.UNTRUSTED].retry
    assert "not retried" in row[1]


def test_an_error_that_is_raised_before_a_request_is_never_retried():
    never_sent = {"InvalidImage", "InvalidAddress", "UnsupportedModel", "QueueFull", "ClientClosed"}

    assert set() == {name for name in never_sent if RETRIED[name] == "yes"}
    assert set() == never_sent - set(slipway.client.__all__)


def test_the_layers_of_the_library_are_those_that_are_enforced():
    (contract,) = [each for each in CONTRACTS if each["name"].startswith("inside the library")]
    enforced = [sorted(layer.split(" | ")) for layer in contract["layers"]]
    shown = [sorted(names(cells[0])) for cells in rows("architecture", "| layer | job |")]

    assert enforced == shown


def test_every_public_module_of_the_compatibility_page_lists_its_names():
    (row,) = [line for line in text_of("compatibility").splitlines() if line.startswith("| Python |")]
    modules = [name for name in names(row) if re.fullmatch(r"slipway(\.\w+)*", name)]

    assert len(modules) > 5
    assert [] == [name for name in modules if not importlib.import_module(name).__all__]


def test_the_values_page_names_every_kind_of_cluster_and_autoscaler():
    clusters = [name for cells in rows("values", "| `--cluster` | a replica gets | also |") for name in names(cells[0])]

    assert list(get_args(Cluster)) == clusters
    assert set(get_args(Autoscaling)) <= {"keda", *re.findall(r"`(?:--autoscaling )?(hpa|none)`", text_of("values"))}


def test_the_load_test_page_names_every_kind_of_arrivals_and_every_shipped_scenario():
    kinds = [name for cells in rows("load-testing", "| `arrivals.kind` | keys | load |") for name in names(cells[0])]
    (shipped,) = re.findall(r"shows the shipped scenarios: (.*?)\. ", text_of("load-testing"))
    models = get_args(get_args(Arrivals)[0])

    assert {get_args(model.model_fields["kind"].annotation)[0] for model in models} == set(kinds)
    assert {path.stem for path in (ROOT / "loadtest" / "scenarios").glob("*.yaml")} == set(names(shipped))


def test_the_exit_codes_of_the_load_test_are_those_of_the_one_table():
    of_all = {cells[0] for cells in rows("exit-codes", "| exit code | meaning | retry |")}
    of_load_tests = {cells[0] for cells in rows("load-testing", "| exit code | meaning |")}

    assert {"0", "1", "2", "3"} == of_load_tests
    assert of_load_tests <= of_all


@pytest.mark.parametrize("section", ["regularisation", "augmentation", "optimizer", "fit", "gates", "export"])
def test_the_training_page_names_every_key_of_a_section(section):
    (row,) = [cells for cells in rows("training", "| section | says |") if names(cells[0]) == [section]]

    assert set(Recipe.model_fields[section].annotation.model_fields) == set(names(row[1]))
