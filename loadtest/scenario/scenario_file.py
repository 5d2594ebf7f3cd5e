"""Command, and master of `locust -f`: read a scenario file, apply overrides, and validate the result once.

    scenario = load_scenario("steady")                                      # loadtest/scenarios/steady.yaml
    scenario = load_scenario("my.yaml", {"slo.p99_ms": "20", "target.url": "http://10.0.0.1"})
    command_line(["/bin/slipway", "loadtest", "--header", "X-Key: 1"])      # slipway loadtest --header 'X-Key: …'

Header values may be secret and never appear in messages.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.errors import ScenarioError
from loadtest.scenario.schema import PUBLISHED, RANDOM, Scenario, check_scenario
from slipway.platform.settings import SettingsFiles, overridden

__all__ = [
    "ScenarioFile",
    "command_line",
    "load_scenario",
    "parse_overrides",
    "read_scenario",
    "shipped_scenarios",
    "without_secrets",
]

SCENARIOS = Path(__file__).parents[1] / "scenarios"
_FILES = SettingsFiles(folder=SCENARIOS, kind="scenario", sections="'arrivals:' and 'slo:'", error=ScenarioError)
_HEADERS = re.compile(r"(target[.]headers[^=]*=).*|(--header=[^:]*:).*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioFile:
    """A scenario that was read but not yet validated: `document` is the parsed YAML of `path`."""

    path: Path
    document: dict[str, Any]

    def check(self, overrides: Mapping[str, str], *, spelled: Mapping[str, str] | None = None) -> Scenario:
        """Apply the overrides and validate; see `load_scenario`."""
        try:
            return check_scenario(overridden(self.document, overrides, error=ScenarioError), where=str(self.path))
        except ScenarioError:
            blamed = self._blamed(overrides)
            if not blamed:
                raise
        typed = [without_secrets((spelled or {}).get(key, f"{key}={value}")) for key, value in blamed.items()]
        where = f"{', '.join(typed)} (overriding {self.path})"
        return check_scenario(overridden(self.document, overrides, error=ScenarioError), where=where)

    def _blamed(self, overrides: Mapping[str, str]) -> dict[str, str]:
        """The overrides that make a valid document invalid; empty if it is invalid by itself."""

        def sound(some: Mapping[str, str]) -> bool:
            try:
                check_scenario(overridden(self.document, some, error=ScenarioError), where="")
            except ScenarioError:
                return False
            return True

        if not sound({}):
            return {}
        alone = {key: text for key, text in overrides.items() if not sound({key: text})}
        needed = {
            key: text for key, text in overrides.items() if sound({k: v for k, v in overrides.items() if k != key})
        }
        return needed or alone or dict(overrides)


def read_scenario(name_or_path: str) -> ScenarioFile:
    """Read a shipped scenario, or a file, without validation.

    Raises:
        ScenarioError: There is no such file, or it is not a YAML mapping.
    """
    path, document = _FILES.read(name_or_path)
    _resolve_files(document, path.parent)
    return ScenarioFile(path=path, document=document)


def load_scenario(
    name_or_path: str, overrides: Mapping[str, str] | None = None, *, spelled: Mapping[str, str] | None = None
) -> Scenario:
    """Read and validate a scenario.

    Args:
        name_or_path: A shipped scenario's name, or the path of a YAML file.
        overrides: Values in YAML by dotted key, such as {"slo.p99_ms": "20"}.
        spelled: The override as typed, for messages; `KEY=VALUE` by default.

    Raises:
        ScenarioError: With file or override, key, expected, got, and the nearest known key for an unknown one.
    """
    return read_scenario(name_or_path).check(overrides or {}, spelled=spelled)


def _resolve_files(document: dict[str, Any], folder: Path) -> None:
    """Paths in a scenario are relative to the scenario."""
    for section, key in (("arrivals", "file"), ("payload", "images")):
        values = document.get(section)
        if isinstance(values, dict) and isinstance(values.get(key), str) and values[key] not in (PUBLISHED, RANDOM):
            values[key] = str(folder / values[key])


def shipped_scenarios() -> tuple[str, ...]:
    """Names of the scenarios that come with Slipway, sorted."""
    return _FILES.names()


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


def command_line(words: Sequence[str]) -> str:
    """A process's arguments as one shell line, without header values."""
    program, *options = words
    shown = [Path(program).name]
    for before, word in zip([program, *options], options, strict=False):
        shown.append(f"{word.partition(':')[0]}: …" if before == "--header" else without_secrets(word))
    return shlex.join(shown)


def without_secrets(text: str) -> str:
    """An option or an override, without header values."""
    return _HEADERS.sub(lambda found: f"{found[1] or found[2]}…", text)
