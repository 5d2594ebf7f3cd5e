"""A rehearsal's scenario: what is served, offered and done to the cluster, and what must hold. YAML in, one value out.

    scenario = load_scenario("step")                                  # rehearsal/scenarios/step.yaml
    scenario = load_scenario("step", {"slo.p99_ms": "100", "load.arrivals": "{kind: trace, file: /my.csv}"})

Whatever a file gets wrong is told at once, with key, expected and got.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from loadtest.scenario.arrivals import (
    ConstantArrivals,
    DiurnalArrivals,
    PoissonArrivals,
    RatePoint,
    SpikeArrivals,
    StepsArrivals,
    TraceArrivals,
)
from rehearsal.cluster.nodes.types import shipped_nodes
from rehearsal.errors import ScenarioError
from rehearsal.experiment.scenario.assertions import Expectation
from rehearsal.experiment.scenario.faults import Action, DamageVersion, RepairVersion, Serve
from slipway.platform.settings import Settings, check_settings, find_settings_file, overridden, read_yaml

__all__ = [
    "LoadSettings",
    "ModelSettings",
    "NodeSettings",
    "Scenario",
    "Slo",
    "StartSettings",
    "check_scenario",
    "load_scenario",
    "shipped_scenarios",
]

SCENARIOS = Path(__file__).parents[2] / "scenarios"

_ROUNDED = 1e-6
"""Seconds, and shares of a replica, that are no more than rounding."""

OpenArrivals = Annotated[
    ConstantArrivals | PoissonArrivals | StepsArrivals | SpikeArrivals | DiurnalArrivals | TraceArrivals,
    Field(discriminator="kind"),
]


class NodeSettings(Settings):
    """Where the replicas run."""

    file: str | None = None
    """A file of node types, shipped (`karpenter`: nodes come and go; `fixed`: they are always there) or your own.
    None: those of the cluster that is up, else `karpenter`."""
    gpu_limit: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """Most GPUs that Karpenter may order of each type, at the start; none: as the file says."""


class ModelSettings(Settings):
    """How the model is served: the real one answers, and a batch takes as long as on a GPU."""

    simulated_batch_ms: Annotated[float, Field(ge=1, le=60_000)] = 20.0
    """Time of a batch, whatever its size, in milliseconds."""
    max_batch_size: Annotated[int, Field(ge=1, le=1_024)] = 8
    """Most images in a batch."""
    versions: Annotated[int, Field(ge=1, le=9)] = 1
    """Versions in the model store: the same network, published so many times. The first is served at the start."""

    @property
    def replica_images_per_s(self) -> float:
        """Most images per second of one replica: full batches, one after another."""
        return self.max_batch_size / self.simulated_batch_ms * 1e3


class LoadSettings(Settings):
    """What is offered to the gateway."""

    arrivals: OpenArrivals
    """As in a scenario of `slipway loadtest`."""
    images: Annotated[int, Field(ge=1)] = 1
    """In each request."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 2.0
    """A request without an answer this long after it was due has failed. It bounds the backlog of an overload too."""
    protocol: Literal["grpc", "http"] = "http"
    """Calls over gRPC that pass their deadline by the hundred can bring the embedded tritonserver (2.51) down."""
    warmup_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    """Offered before the measured window, at its first rate, and in no figure."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Most requests that all clients together have under way; what is due meanwhile waits, and its latency runs. None:
    see `Scenario.max_in_flight`."""
    check_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of the answers that are compared with the known labels; a wrong one has failed."""
    max_lag_ms: Annotated[float, Field(gt=0)] = 50.0
    """Largest p99 of the generator's own lateness; above, the rehearsal is INVALID. Everything shares one machine."""

    def highest_rps(self, begin_s: float, end_s: float) -> float:
        """Most requests per second that are offered in a span of the window; a ramp counts with both of its ends."""
        return _highest(self.arrivals.profile, begin_s, end_s)

    @property
    def jump_s(self) -> float:
        """Second at which the rate rises most: a jump, or the steepest climb; 0 where it never rises."""
        climbs = [
            ((b_rps - a_rps) / max(b_s - a_s, 1e-3), a_s)
            for (a_s, a_rps), (b_s, b_rps) in pairwise(self.arrivals.profile)
            if b_rps > a_rps
        ]
        return max(climbs, key=lambda climb: (climb[0], -climb[1]))[1] if climbs else 0.0


class StartSettings(Settings):
    """How it is when the measured window begins."""

    replicas: Annotated[int, Field(ge=1, le=100)] = 1
    """Ready before the load. They are held by `autoscaling.minReplicas` until the warm-up's last seconds."""


class Slo(Settings):
    """The objective."""

    p99_ms: Annotated[float, Field(gt=0)] = 250.0
    """Bound of the p99 of the requests that are due in a second, from due to answered."""


class Scenario(Settings):
    """One experiment. Attributes are the sections of the file."""

    description: str
    values: dict[str, Any] = Field(default_factory=dict)
    """Values of the chart helm/serving, laid over the rehearsal's own and over the user's."""
    nodes: NodeSettings = NodeSettings()
    model: ModelSettings = ModelSettings()
    start: StartSettings = StartSettings()
    load: LoadSettings
    actions: list[Action] = Field(default_factory=list)
    slo: Slo = Slo()
    expect: Annotated[list[Expectation], Field(min_length=1)]

    @property
    def replica_rps(self) -> float:
        """Most requests per second of one replica."""
        return self.model.replica_images_per_s / self.load.images

    @property
    def max_in_flight(self) -> int:
        """Most requests that the clients have under way, as a gateway limits them.

        Where nothing else is said: so few that one replica answers all of them within a tenth of their time, since a
        queue of requests that expire inside a replica makes it work for nobody; and four batch times of the highest
        rate, which replicas that are not overloaded never fill.
        """
        if self.load.max_in_flight is not None:
            return self.load.max_in_flight
        peak_rps = max(rate_rps for _, rate_rps in self.load.arrivals.profile)
        brief = 0.08 * self.load.timeout_s * self.replica_rps
        return math.ceil(max(brief, 4 * peak_rps * self.model.simulated_batch_ms / 1e3))

    def replicas_needed(self, begin_s: float, end_s: float) -> int:
        """Replicas that carry the highest load of a span of the window, by capacity alone; at least one."""
        return max(1, math.ceil(self.load.highest_rps(begin_s, end_s) / self.replica_rps - _ROUNDED))

    @model_validator(mode="after")
    def _happens_inside(self) -> Scenario:
        end_s = self.load.arrivals.seconds
        late = [f"{action.do} at {action.at_s:g} s" for action in self.actions if action.at_s >= end_s]
        if late:
            raise ValueError(f"actions: the load ends after {end_s:g} s, and {', '.join(late)} comes then or later")
        return self

    @model_validator(mode="after")
    def _versions_exist(self) -> Scenario:
        named = {action.version for action in self.actions if isinstance(action, Serve | DamageVersion | RepairVersion)}
        missing = sorted(version for version in named if version > self.model.versions)
        if missing:
            raise ValueError(
                f"actions: version {missing[0]} is named, and model.versions puts {self.model.versions} into the "
                f"store; set it to {missing[-1]}"
            )
        return self

    @model_validator(mode="after")
    def _requests_fit_the_model(self) -> Scenario:
        if self.load.images > self.model.max_batch_size:
            raise ValueError(
                f"load.images: a request of {self.load.images} images does not fit model.max_batch_size "
                f"{self.model.max_batch_size}"
            )
        return self


def shipped_scenarios() -> tuple[str, ...]:
    """Names of the scenarios that come with Slipway, sorted."""
    return tuple(sorted(path.stem for path in SCENARIOS.glob("*.yaml")))


def load_scenario(name_or_path: str, overrides: Mapping[str, str] | None = None) -> Scenario:
    """Read and check a scenario.

    Args:
        name_or_path: A shipped scenario's name, or the path of a YAML file.
        overrides: Values in YAML by dotted key, such as {"slo.p99_ms": "100"}; they replace what the file says.

    Raises:
        ScenarioError: With file, key, expected, got, and the nearest known key for an unknown one.
    """
    path = find_settings_file(name_or_path, SCENARIOS)
    document = read_yaml(
        path,
        sections="'load:' and 'expect:'",
        missing=f"no scenario {name_or_path!r}: expected one of {', '.join(shipped_scenarios())}, or a YAML file",
        error=ScenarioError,
    )
    _resolve_files(document, path.parent)
    return check_scenario(overridden(document, overrides or {}, error=ScenarioError), where=str(path))


def check_scenario(document: dict[str, Any], *, where: str) -> Scenario:
    """Turn a document into a scenario.

    Raises:
        ScenarioError: As `load_scenario`.
    """
    return check_settings(document, Scenario, where=where, error=ScenarioError)


def _resolve_files(document: dict[str, Any], folder: Path) -> None:
    """Paths of a trace and of node types are relative to the scenario that names them; shipped names stay."""
    load, nodes = document.get("load"), document.get("nodes")
    arrivals = load.get("arrivals") if isinstance(load, dict) else None
    if isinstance(arrivals, dict) and isinstance(arrivals.get("file"), str):
        arrivals["file"] = str(folder / arrivals["file"])
    if isinstance(nodes, dict) and isinstance(nodes.get("file"), str) and nodes["file"] not in shipped_nodes():
        nodes["file"] = str(folder / nodes["file"])


def _highest(profile: Sequence[RatePoint], begin_s: float, end_s: float) -> float:
    """Linear between points, 0 outside; a rate at one moment alone, as between two jumps, is no load."""
    highest = 0.0
    for (a_s, a_rps), (b_s, b_rps) in pairwise(profile):
        first_s, last_s = max(a_s, begin_s), min(b_s, end_s)
        if last_s - first_s > _ROUNDED:
            ends = (a_rps + (b_rps - a_rps) * (at_s - a_s) / (b_s - a_s) for at_s in (first_s, last_s))
            highest = max(highest, *ends)
    return highest
