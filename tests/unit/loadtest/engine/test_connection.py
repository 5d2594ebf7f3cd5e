"""How the target is reached, said on the command line: it arrives in the scenario, and no secret leaves it."""

import pytest
from typer.testing import CliRunner

from loadtest.errors import ScenarioError
from loadtest.scenario.plan import Plan
from loadtest.scenario.scenario_file import command_line, load_scenario
from slipway.cli import app
from tests.unit.loadtest_results import result, scenario

SECRET = "s3cret-value"
WORDS = (
    *("--url", "grpcs://models.test:443", "--model", "007", "--version", "3", "--authority", "models.test"),
    *("--ca-file", "ca.pem", "--cert-file", "me.pem", "--key-file", "me.key", "--token-env", "MODEL_TOKEN"),
    *("--header", f"X-Key: {SECRET}", "--header", "X-Team: vision"),
)


class Understood(Exception):
    pass


@pytest.mark.parametrize("command", [("loadtest", "smoke"), ("capacity", "steady")], ids=" ".join)
def test_every_option_of_the_connection_arrives_in_the_scenario(command, monkeypatch, tmp_path):
    requests = []

    def understood(request, **_):
        requests.append(getattr(request, "run", request))
        raise Understood

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("loadtest.run.run_scenario", understood)
    monkeypatch.setattr("loadtest.capacity.run.run_capacity", understood)
    ended = CliRunner().invoke(app, [*command, *WORDS])
    (request,) = requests
    target = request.scenario.target

    assert isinstance(ended.exception, Understood)
    assert ("grpcs://models.test:443", "007", 3) == (target.url, target.model, target.version)
    assert ("ca.pem", "me.pem", "me.key") == (target.ca_file, target.certificate_file, target.key_file)
    assert ("models.test", "MODEL_TOKEN") == (target.authority, target.token_env)
    assert {"X-Key": SECRET, "X-Team": "vision"} == target.headers


def test_what_a_header_says_reaches_the_workers_and_no_report():
    own = scenario(target={"headers": {"X-Key": SECRET}})
    plan = Plan(scenario=own, payload=None, begin_wall_ns=0)
    written = result(scenario=own).model_dump_json()

    assert SECRET in plan.scenario.model_dump_json(context="with secrets")
    assert SECRET not in written
    assert "X-Key" in written
    assert SECRET not in repr(own)


@pytest.mark.parametrize(
    "words",
    [
        ("--header", f"X-Key: {SECRET}"),
        (f"--header=X-Key: {SECRET}",),
        ("--set", f"target.headers={{X-Key: {SECRET}}}"),
        ("--override", f"target.headers.X-Key={SECRET}"),
    ],
    ids=["header", "one word", "set", "override"],
)
def test_the_command_of_a_report_names_a_header_and_not_its_value(words):
    shown = command_line(["/usr/bin/slipway", "loadtest", "smoke", *words, "--rate", "300"])

    assert shown.startswith("slipway loadtest smoke ")
    assert shown.endswith(" --rate 300")
    assert SECRET not in shown


def test_a_wrong_header_is_blamed_without_its_value():
    with pytest.raises(ScenarioError, match=r"--header .*\n.*headers: expected names") as told:
        load_scenario("smoke", {"target.headers": f"[{SECRET}]"}, spelled={"target.headers": "--header"})

    assert SECRET not in str(told.value)
