"""The commands that docs/load-testing.md and docs/values.md show are understood, scenario and objectives included."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtest.engine.request import parse_overrides
from loadtest.scenario.schema import load_scenario
from slipway.cli import app
from tests.unit.loadtest_results import result

ROOT = Path(__file__).parents[4]
PAGES = [ROOT / "README.md", ROOT / "docs" / "load-testing.md", ROOT / "docs" / "values.md"]
PLACEHOLDERS = {"URL": "grpc://localhost:8001", "RATE": "1000", "grpc://…": "grpc://localhost:8001"}


def commands(program):
    """What the pages show of a program, in blocks and in sentences, each once."""
    text = "\n".join(page.read_text() for page in PAGES)
    lines = re.findall(rf"^(?:\$ )?(?:\S*/)?({program} .*)$", text, re.MULTILINE)
    sentences = re.findall(rf"`({program} [^`]*)`", text)
    shown = [shlex.split(line.partition("; echo")[0], comments=True) for line in [*lines, *sentences]]
    return sorted({tuple(PLACEHOLDERS.get(word, word) for word in words) for words in shown})


SLIPWAY = [words for words in commands("slipway (?:loadtest|capacity)") if len(words) > 2]
LOCUST = commands("locust -f")


class Understood(Exception):
    pass


@pytest.mark.parametrize("words", SLIPWAY, ids=shlex.join)
def test_a_command_of_the_page_is_understood(words, monkeypatch, tmp_path):
    def understood(request, **_):
        request = getattr(request, "request", request)
        request.load()
        raise Understood

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("loadtest.run.run_scenario", understood)
    monkeypatch.setattr("loadtest.capacity.run.run_capacity", understood)
    monkeypatch.setattr("loadtest.result.run_result.read_result", lambda _: result())
    ended = CliRunner().invoke(app, words[1:])

    assert ended.exit_code == 0 or isinstance(ended.exception, Understood), (ended.output, ended.exception)


@pytest.mark.parametrize("words", LOCUST, ids=shlex.join)
def test_a_locust_of_the_page_finds_its_scenario(words):
    def after(option):
        return [words[i + 1] for i, word in enumerate(words) if word == option]

    (scenario,) = after("--scenario") or ["smoke"]
    load_scenario(scenario, parse_overrides(after("--override")))

    assert after("-f")[0].startswith("loadtest/locustfile.py")
    assert (ROOT / "loadtest" / "locustfile.py").is_file()


def test_the_pages_show_commands_of_every_kind():
    shown = {tuple(words[1:3]) for words in SLIPWAY}

    assert {("loadtest", "smoke"), ("loadtest", "compare"), ("capacity", "steady")} <= shown
    assert LOCUST
