"""docs/rehearsal.md: its commands and files are taken, and its tables are those of the code."""

import re
from typing import get_args

import click
import pytest
import typer

from rehearsal.cluster.nodes.pools import load_nodes
from rehearsal.experiment.scenario.assertions import Assertion
from rehearsal.experiment.scenario.faults import Fault
from rehearsal.experiment.scenario.schema import load_scenario, shipped_scenarios
from slipway.cli import app
from tests.chart.page_commands import PageReader, commands
from tests.chart.rendering import ROOT
from tests.unit.values_inputs import made, measured, published, write_capacity

PAGE = ROOT / "docs" / "rehearsal.md"


def fenced(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def table(heading):
    """Return the page's table whose first column has this heading: cells by first cell, marks left out."""
    lines = PAGE.read_text().split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {name: row[1:] for row in rows for name in re.findall(r"`([^`]+)`", row[0])}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The files that the page speaks of, in the folder where its commands run."""
    published(tmp_path / "model_repository")
    write_capacity(measured(), tmp_path / "capacity.yaml")
    (tmp_path / "mnist.yaml").write_text(made(tmp_path, cluster="gpu").text)
    (trace,) = fenced("csv")
    for name in ("monday.csv", "evening.csv"):
        (tmp_path / name).write_text(trace)
    for text in fenced("yaml"):
        (tmp_path / text.splitlines()[0].removeprefix("# ")).write_text(text)
    given = tmp_path / "runs/rehearsal/step/chart/values.yaml"
    given.parent.mkdir(parents=True)
    given.write_text((tmp_path / "mnist.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_of_the_page_is_taken(files):
    reader = PageReader(files)
    for command in commands(PAGE):
        reader.read(command)
    rehearsed = [command for command in commands(PAGE) if command.startswith("slipway rehearse")]

    assert {("serving", "mnist")} == set(reader.releases)
    assert 6 <= len(rehearsed)


@pytest.mark.usefixtures("files")
def test_every_scenario_that_a_command_names_is_one_with_its_trace_nodes_and_overrides():
    group = typer.main.get_command(app)
    for command in commands(PAGE):
        words = command.split()
        if words[:2] != ["slipway", "rehearse"]:
            continue
        with click.Context(group, info_name="slipway") as context:
            _, rehearse, rest = group.resolve_command(context, words[1:])
            inner = rehearse.make_context("rehearse", list(rest), parent=context)
            name, run, rest = rehearse.resolve_command(inner, [*inner._protected_args, *inner.args])
            options = run.make_context(name, list(rest), parent=inner).params
        overrides = dict(each.split("=", 1) for each in options["override"] or ())
        load_scenario(options["scenario"], overrides)
        load_nodes(options["nodes"] or "karpenter")

        assert all(path.is_file() for path in options["values"] or ())
        assert options["trace"] is None or options["trace"].is_file()


@pytest.mark.usefixtures("files")
def test_the_scenario_and_the_nodes_of_the_page_are_whole():
    scenario, nodes = load_scenario("evening.yaml"), load_nodes("my-nodes.yaml")

    assert 180 == scenario.load.arrivals.seconds
    assert ["g6.xlarge", "g5.xlarge"] == [each.name for each in nodes.types]


def test_the_table_of_scenarios_has_the_figures_of_their_files():
    rows = table("scenario")

    assert set(shipped_scenarios()) == set(rows)
    for name, (load, _, passes) in rows.items():
        scenario = load_scenario(name)
        rule = rows["prometheus-down"][2] if passes == "the same" else passes
        told = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", rule)}
        bounds = {
            value
            for each in scenario.expect
            for key, value in each.model_dump(exclude_none=True).items()
            if key in {"within_s", "at_most_s", "at_most", "at_least"} and value
        }

        assert f"{scenario.load.arrivals.seconds:g} s" == load, name
        assert set() == bounds - told, name


@pytest.mark.parametrize(("heading", "kinds", "key"), [("`do`", Fault, "do"), ("`check`", Assertion, "check")])
def test_every_action_and_every_check_has_a_row_with_its_keys(heading, kinds, key):
    rows = table(heading)
    models = {get_args(kind.model_fields[key].annotation)[0]: kind for kind in get_args(get_args(kinds)[0])}

    assert set(models) == set(rows)
    for name, model in models.items():
        keys = set(model.model_fields) - {key, "at_s"}
        told = set(re.findall(r"`([^`]+)`", rows[name][0]))

        assert keys == told, name
