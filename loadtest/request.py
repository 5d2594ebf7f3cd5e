"""What somebody asked for on a command line, and what it takes to begin: scenario, a target that answers, images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.errors import ScenarioError
from loadtest.payload import Payload, load_payload
from loadtest.result import TargetFacts
from loadtest.scenario import Scenario, load_scenario
from loadtest.target import inspect

__all__ = ["Prepared", "RunRequest", "parse_overrides"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One run, as it was asked for.

    Attributes:
        scenario: A shipped scenario's name, or a file's path.
        overrides: Values in YAML by dotted key.
        spelled: What was typed for a key, for messages; `KEY=VALUE` where it is not told.
        repository: Where the served version was published.
        report_dir: Where the report goes; None: a new folder below runs/loadtest.
        junit: Where the verdict goes as JUnit XML; None: nowhere.
        command: Repeats the run.
        page: Also write the HTML page, which takes a second or two.
    """

    scenario: str
    overrides: Mapping[str, str]
    repository: Path
    report_dir: Path | None
    junit: Path | None
    command: str
    page: bool = True
    spelled: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The scenario's, without folder and suffix."""
        return Path(self.scenario).stem

    def load(self) -> Scenario:
        """Read and check the scenario.

        Raises:
            ScenarioError: See `load_scenario`.
        """
        return load_scenario(self.scenario, self.overrides, spelled=self.spelled)

    def prepare(self) -> Prepared:
        """Read the scenario, ask the target, read the images.

        Raises:
            LoadTestError: Whatever keeps the run from beginning.
        """
        scenario = self.load()
        facts, contract = inspect(scenario.target)
        payload = load_payload(
            scenario.payload, contract, version=facts.version, repository=self.repository, seed=scenario.seed
        )
        return Prepared(scenario, facts, payload)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a run begins with."""

    scenario: Scenario
    target: TargetFacts
    payload: Payload


def parse_overrides(texts: list[str]) -> dict[str, str]:
    """Read `KEY=VALUE` texts.

    Raises:
        ScenarioError: One has no equals sign.
    """
    overrides = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ScenarioError(f"override {text!r}: expected KEY=VALUE, such as slo.p99_ms=20")
        overrides[key.strip()] = value
    return overrides
