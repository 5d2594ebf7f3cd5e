"""A rehearsal's scenario: model, load, actions and assertions. YAML in, one value out.

    scenario = load_scenario("step")                                  # rehearsal/scenarios/step.yaml
    scenario = load_scenario("step", {"slo.p99_ms": "100", "load.arrivals": "{kind: trace, file: /my.csv}"})

All errors of a file are reported at once, with key, expected and got.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from rehearsal.cluster.nodes.pools import shipped_nodes
from rehearsal.errors import RehearsalScenarioError
from rehearsal.experiment.scenario.assertions import Assertion
from rehearsal.experiment.scenario.faults import DamageVersion, Fault, RepairVersion, Serve
from rehearsal.experiment.scenario.sections import (
    ROUNDING,
    LatencyObjective,
    LoadSettings,
    ModelSettings,
    NodeSettings,
    StartSettings,
)
from slipway.platform.settings import Settings, SettingsFiles, check_settings, overridden

__all__ = [
    "RehearsalScenario",
    "check_scenario",
    "load_scenario",
    "shipped_scenarios",
]

SCENARIOS = Path(__file__).parents[2] / "scenarios"
_FILES = SettingsFiles(
    folder=SCENARIOS, kind="scenario", sections="'load:' and 'expect:'", error=RehearsalScenarioError
)


class RehearsalScenario(Settings):
    """One experiment. Attributes are the sections of the file."""

    description: str
    values: dict[str, Any] = Field(default_factory=dict)
    """Values of the chart helm/serving, merged over the rehearsal's own and the user's."""
    nodes: NodeSettings = NodeSettings()
    model: ModelSettings = ModelSettings()
    start: StartSettings = StartSettings()
    load: LoadSettings
    actions: list[Fault] = Field(default_factory=list)
    slo: LatencyObjective = LatencyObjective()
    expect: Annotated[list[Assertion], Field(min_length=1)]

    @property
    def replica_rps(self) -> float:
        """Most requests per second of one replica."""
        return self.model.replica_images_per_s / self.load.images

    @property
    def max_in_flight(self) -> int:
        """Limit of the clients' requests in flight, as set by a gateway.

        The default: as many as one replica answers within 8 % of their time-out, since a queue of requests that
        expire is useless work; and four batch times at the highest rate, which replicas without overload never reach.
        """
        if self.load.max_in_flight is not None:
            return self.load.max_in_flight
        peak_rps = max(rate_rps for _, rate_rps in self.load.arrivals.profile)
        brief = 0.08 * self.load.timeout_s * self.replica_rps
        return math.ceil(max(brief, 4 * peak_rps * self.model.simulated_batch_ms / 1e3))

    def replicas_needed(self, begin_s: float, end_s: float) -> int:
        """Replicas that carry the highest load of a span of the window, by capacity alone; at least one."""
        return max(1, math.ceil(self.load.highest_rps(begin_s, end_s) / self.replica_rps - ROUNDING))

    @model_validator(mode="after")
    def _happens_inside(self) -> RehearsalScenario:
        end_s = self.load.arrivals.seconds
        late = [f"{action.do} at {action.at_s:g} s" for action in self.actions if action.at_s >= end_s]
        if late:
            raise ValueError(f"actions: the load ends after {end_s:g} s, and {', '.join(late)} comes then or later")
        return self

    @model_validator(mode="after")
    def _versions_exist(self) -> RehearsalScenario:
        named = {action.version for action in self.actions if isinstance(action, Serve | DamageVersion | RepairVersion)}
        missing = sorted(version for version in named if version > self.model.versions)
        if missing:
            raise ValueError(
                f"actions: version {missing[0]} is used, but model.versions is {self.model.versions}; "
                f"set it to {missing[-1]}"
            )
        return self

    @model_validator(mode="after")
    def _requests_fit_the_model(self) -> RehearsalScenario:
        if self.load.images > self.model.max_batch_size:
            raise ValueError(
                f"load.images: a request of {self.load.images} images does not fit model.max_batch_size "
                f"{self.model.max_batch_size}"
            )
        return self


def shipped_scenarios() -> tuple[str, ...]:
    """Names of the scenarios that come with Slipway, sorted."""
    return _FILES.names()


def load_scenario(name_or_path: str, overrides: Mapping[str, str] | None = None) -> RehearsalScenario:
    """Read and validate a scenario.

    Args:
        name_or_path: A shipped scenario's name, or the path of a YAML file.
        overrides: Values in YAML by dotted key, such as {"slo.p99_ms": "100"}; they replace what the file says.

    Raises:
        RehearsalScenarioError: With file, key, expected, got, and the nearest known key for an unknown one.
    """
    path, document = _FILES.read(name_or_path)
    _resolve_files(document, path.parent)
    return check_scenario(overridden(document, overrides or {}, error=RehearsalScenarioError), where=str(path))


def check_scenario(document: dict[str, Any], *, where: str) -> RehearsalScenario:
    """Validate a parsed document.

    Raises:
        RehearsalScenarioError: As `load_scenario`.
    """
    return check_settings(document, RehearsalScenario, where=where, error=RehearsalScenarioError)


def _resolve_files(document: dict[str, Any], folder: Path) -> None:
    """Paths of a trace and of node types are relative to the scenario that names them; shipped names stay."""
    load, nodes = document.get("load"), document.get("nodes")
    arrivals = load.get("arrivals") if isinstance(load, dict) else None
    if isinstance(arrivals, dict) and isinstance(arrivals.get("file"), str):
        arrivals["file"] = str(folder / arrivals["file"])
    if isinstance(nodes, dict) and isinstance(nodes.get("file"), str) and nodes["file"] not in shipped_nodes():
        nodes["file"] = str(folder / nodes["file"])
