"""The commands that docs/load-testing.md and docs/values.md show are understood, scenario and objectives included."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtest.scenario.scenario_file import load_scenario, parse_overrides
from loadtest.scenario.schema import Scenario
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
        assert isinstance(getattr(request, "run", request).scenario, Scenario)
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


def test_the_scenario_of_the_page_is_one_and_names_the_defaults_it_says(tmp_path):
    text = (ROOT / "docs" / "load-testing.md").read_text()
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "shown.yaml").write_text(shown)
    (tmp_path / "least.yaml").write_text(
        "description: the least\narrivals: {kind: poisson, rate_rps: 500, duration_s: 60}\nslo: {p50_ms: 20}\n"
    )
    written, least = (load_scenario(str(tmp_path / name)) for name in ("shown.yaml", "least.yaml"))

    assert least.target == written.target
    assert least.correctness == written.correctness
    assert least.generator == written.generator
    assert (least.warmup_s, least.seed, least.payload.images) == (
        written.warmup_s,
        written.seed,
        written.payload.images,
    )


ARRIVALS = re.findall(
    r"^\| `(poisson|constant|steps|spike|diurnal|closed)` \| `([^`]*)`",
    (ROOT / "docs" / "load-testing.md").read_text(),
    re.MULTILINE,
)


@pytest.mark.parametrize(("kind", "keys"), ARRIVALS, ids=[kind for kind, _ in ARRIVALS])
def test_a_kind_of_arrivals_has_the_keys_that_the_page_names(kind, keys):
    values = {"steps": "[{rate_rps: 100, duration_s: 60}]", "users": "4", "rate_rps": "100", "low_rps": "50"}
    others = {"spike_rps": "400", "high_rps": "200", "spike_at_s": "5", "spike_s": "5", "period_s": "60"}
    values |= others | {"duration_s": "60", "think_time_ms": "1"}
    names = [name.partition(":")[0] for name in re.findall(r"[a-z_]+:? ?(?:\[.*\])?", keys)]
    document = ", ".join([f"kind: {kind}", *(f"{name}: {values[name]}" for name in names)])
    loaded = load_scenario("smoke", {"arrivals": f"{{{document}}}", "slo": "{p50_ms: 20}"})

    assert kind == loaded.arrivals.kind


def test_the_pages_show_commands_of_every_kind():
    shown = {tuple(words[1:3]) for words in SLIPWAY}

    assert {("loadtest", "smoke"), ("loadtest", "compare"), ("capacity", "steady")} <= shown
    assert LOCUST
