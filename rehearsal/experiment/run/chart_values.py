"""Values of the serving chart: the rehearsal's own, then the user's, then the scenario's, merged as Helm does.

The addresses of the model and of Prometheus are not taken from the user's values, which belong to another cluster.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearsal.cluster.connection import ClusterConnection
from rehearsal.errors import RehearsalScenarioError
from rehearsal.experiment.scenario.schema import RehearsalScenario
from slipway.platform.settings import read_yaml

__all__ = [
    "DEPLOYMENT",
    "MODEL",
    "PODS",
    "RELEASE",
    "STORE",
    "chart_values",
    "check_values",
    "hold_start_replicas",
    "merge_values",
    "read_values",
]

MODEL = RELEASE = "mnist"
"""Name of the model, and of the release that serves it."""
STORE = "model_repository"
"""The folder below the claim."""
DEPLOYMENT = f"{RELEASE}-predictor"
PODS = f"serving.kserve.io/inferenceservice={RELEASE},component=predictor"
"""Label selector of the replicas."""

_BASE = Path(__file__).with_name("base-values.yaml")


def chart_values(scenario: RehearsalScenario, connection: ClusterConnection, user: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the first installation, without the replicas of `start`."""
    return _values(scenario, user, prometheus_url=connection.prometheus_url)


def check_values(scenario: RehearsalScenario, user: Mapping[str, Any]) -> None:
    """Reject values that no cluster could rehearse, before one is started.

    Raises:
        RehearsalScenarioError: As `hold_start_replicas`.
    """
    hold_start_replicas(_values(scenario, user, prometheus_url="http://127.0.0.1:9090"), scenario)


def hold_start_replicas(values: Mapping[str, Any], scenario: RehearsalScenario) -> dict[str, Any]:
    """Values whose `minReplicas` keeps the scenario's initial replicas.

    Raises:
        RehearsalScenarioError: They exceed `maxReplicas`, or the values are not numbers.
    """
    max_replicas, start = _count(values, "maxReplicas"), scenario.start.replicas
    if start > max_replicas:
        raise RehearsalScenarioError(
            f"start.replicas is {start}, and autoscaling.maxReplicas allows {max_replicas}: raise it in values"
        )
    held: dict[str, Any] = {"minReplicas": max(start, _count(values, "minReplicas"))}
    if "wake" in values["autoscaling"]:
        held["wake"] = {"query": ""}  # the chart accepts one only with scale to zero
    return merge_values(values, {"autoscaling": held})


def _count(values: Mapping[str, Any], name: str) -> int:
    section = values["autoscaling"]
    if not isinstance(section, Mapping):
        raise RehearsalScenarioError(
            f"values: autoscaling: expected a section with keys such as maxReplicas, got {section!r}"
        )
    count = section.get(name, 1)
    if not isinstance(count, int):
        raise RehearsalScenarioError(f"values: autoscaling.{name}: expected a whole number, got {count!r}")
    return count


def _values(scenario: RehearsalScenario, user: Mapping[str, Any], *, prometheus_url: str) -> dict[str, Any]:
    base = read_yaml(_BASE, sections="model, autoscaling", missing=str(_BASE), error=RehearsalScenarioError)
    computed = {
        "autoscaling": {
            "prometheus": {"serverAddress": prometheus_url},
            # One batch in flight: a replica with more has a queue.
            "capacity": {
                "inFlight": max(1, scenario.model.max_batch_size // scenario.load.images),
                "requestsPerSecond": math.floor(scenario.replica_rps),
            },
        }
    }
    defaults = merge_values(base, computed)
    values = merge_values(defaults, user)
    values["model"] = merge_values(values["model"], {**defaults["model"], "name": MODEL})
    values["autoscaling"]["prometheus"] = defaults["autoscaling"]["prometheus"]
    return merge_values(values, scenario.values)


def merge_values(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Sections are merged, everything else is replaced; a section that is empty in the file changes nothing."""
    merged = copy.deepcopy(dict(base))
    for key, value in override.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping | None):
            merged[key] = merge_values(known, value or {})
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def read_values(path: Path) -> dict[str, Any]:
    """A user's values file.

    Raises:
        RehearsalScenarioError: It is missing, or not a values file.
    """
    return read_yaml(
        path, sections="autoscaling, triton", missing=f"{path}: no such values file", error=RehearsalScenarioError
    )
