"""Values of the chart: the rehearsal's own, the user's over them, the scenario's over both. Merged as Helm does it.

What says where the model and Prometheus are is not taken from the user's: they name those of another cluster.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearsal.cluster.connection import Connection
from rehearsal.errors import RehearsalScenarioError
from rehearsal.experiment.scenario.schema import RehearsalScenario
from slipway.platform.settings import read_yaml

__all__ = ["MODEL", "RELEASE", "STORE", "chart_values", "check_values", "held_up", "laid_over", "read_values"]

MODEL = RELEASE = "mnist"
"""Name of the model, and of the release that serves it."""
STORE = "model_repository"
"""The folder below the claim."""

_BASE = Path(__file__).with_name("base-values.yaml")


def chart_values(scenario: RehearsalScenario, connection: Connection, user: Mapping[str, Any]) -> dict[str, Any]:
    """All values of the first installation, but for what `start` holds up."""
    return _values(scenario, user, prometheus_url=connection.prometheus_url)


def check_values(scenario: RehearsalScenario, user: Mapping[str, Any]) -> None:
    """Refuse, before there is a cluster, what could not be rehearsed on any.

    Raises:
        RehearsalScenarioError: As `held_up`.
    """
    held_up(_values(scenario, user, prometheus_url="http://127.0.0.1:9090"), scenario)


def held_up(values: Mapping[str, Any], scenario: RehearsalScenario) -> dict[str, Any]:
    """Values whose `minReplicas` holds the replicas with which the scenario starts.

    Raises:
        RehearsalScenarioError: There may not be so many, or the values do not say how many.
    """
    most, start = _count(values, "maxReplicas"), scenario.start.replicas
    if start > most:
        raise RehearsalScenarioError(
            f"start.replicas is {start}, and autoscaling.maxReplicas allows {most}: raise it in values"
        )
    held: dict[str, Any] = {"minReplicas": max(start, _count(values, "minReplicas"))}
    if "wake" in values["autoscaling"]:
        held["wake"] = {"query": ""}  # the chart takes one only where there may be no replica
    return laid_over(values, {"autoscaling": held})


def _count(values: Mapping[str, Any], name: str) -> int:
    section = values["autoscaling"]
    if not isinstance(section, Mapping):
        raise RehearsalScenarioError(
            f"values: autoscaling: expected a section with keys such as maxReplicas, got {section!r}"
        )
    found = section.get(name, 1)
    if not isinstance(found, int):
        raise RehearsalScenarioError(f"values: autoscaling.{name}: expected a whole number, got {found!r}")
    return found


def _values(scenario: RehearsalScenario, user: Mapping[str, Any], *, prometheus_url: str) -> dict[str, Any]:
    base = read_yaml(_BASE, sections="model, autoscaling", missing=str(_BASE), error=RehearsalScenarioError)
    computed = {
        "autoscaling": {
            "prometheus": {"serverAddress": prometheus_url},
            # One batch inside: a replica with more has a queue.
            "capacity": {
                "inFlight": max(1, scenario.model.max_batch_size // scenario.load.images),
                "requestsPerSecond": math.floor(scenario.replica_rps),
            },
        }
    }
    own = laid_over(base, computed)
    values = laid_over(own, user)
    values["model"] = laid_over(values["model"], {**own["model"], "name": MODEL})
    values["autoscaling"]["prometheus"] = own["autoscaling"]["prometheus"]
    return laid_over(values, scenario.values)


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Sections are merged, everything else is replaced; a section that is empty in the file changes nothing."""
    merged = copy.deepcopy(dict(below))
    for key, value in above.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping | None):
            merged[key] = laid_over(known, value or {})
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def read_values(path: Path) -> dict[str, Any]:
    """A user's values file.

    Raises:
        RehearsalScenarioError: It is missing, or no values file.
    """
    return read_yaml(
        path, sections="autoscaling, triton", missing=f"{path}: no such values file", error=RehearsalScenarioError
    )
