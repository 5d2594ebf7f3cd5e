"""Values of the chart: the rehearsal's own, the user's over them, the scenario's over both. Merged as Helm does it.

What says where the model and Prometheus are is not taken from the user's: they name those of another cluster.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearsal.connection import Connection
from rehearsal.errors import ScenarioError
from rehearsal.scenario import Scenario
from slipway.settings_file import read_yaml

__all__ = ["MODEL", "RELEASE", "STORE", "chart_values", "laid_over", "read_values"]

MODEL = RELEASE = "mnist"
"""Name of the model, and of the release that serves it."""
STORE = "model_repository"
"""The folder below the claim."""

_BASE = Path(__file__).with_name("base-values.yaml")


def chart_values(scenario: Scenario, connection: Connection, user: Mapping[str, Any]) -> dict[str, Any]:
    """All values of the first installation, but for what `start` holds up."""
    base = read_yaml(_BASE, sections="model, autoscaling", missing=str(_BASE), error=ScenarioError)
    computed = {
        "autoscaling": {
            "prometheus": {"serverAddress": connection.prometheus_url},
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
        ScenarioError: It is missing, or no values file.
    """
    return read_yaml(path, sections="autoscaling, triton", missing=f"{path}: no such values file", error=ScenarioError)
