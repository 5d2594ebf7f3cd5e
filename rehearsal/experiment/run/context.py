"""One rehearsal: its plan, and the context of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rehearsal.cluster.connection import ClusterConnection
from rehearsal.experiment.run.chart_values import STORE, chart_values, hold_start_replicas
from rehearsal.experiment.run.cluster_sampler import ClusterSampler
from rehearsal.experiment.run.helm_release import HelmRelease
from rehearsal.experiment.run.model_store import ModelStore
from rehearsal.experiment.scenario.schema import RehearsalScenario

__all__ = ["RehearsalContext", "RehearsalPlan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalPlan:
    """The requested measurement.

    Attributes:
        name: Name of the scenario.
        scenario: Load, actions and assertions.
        command: Command that repeats the rehearsal.
        values: The user's own values of the chart.
        chart: Folder of helm/serving.
        repository: Model repository.
    """

    name: str
    scenario: RehearsalScenario
    command: str
    values: Mapping[str, Any] = field(default_factory=dict)
    chart: Path = Path("helm/serving")
    repository: Path = Path("model_repository")


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalContext:
    """The context of a rehearsal's steps.

    Attributes:
        plan: The requested rehearsal.
        connection: The cluster.
        release: The chart's release; its values change with the scenario's actions.
        store: The model store of the replicas.
        sampler: Collects the observations.
        values: Values of the chart when the measured window begins, without the replicas of `start`.
    """

    plan: RehearsalPlan
    connection: ClusterConnection
    release: HelmRelease
    store: ModelStore
    sampler: ClusterSampler
    values: Mapping[str, Any]

    @classmethod
    def of(cls, plan: RehearsalPlan, connection: ClusterConnection, *, report_dir: Path) -> Self:
        """Create the context for a cluster; the chart's values are written to `report_dir`.

        Raises:
            RehearsalScenarioError: The values do not fit the scenario.
            ChartRefused: The plan's folder contains no chart.
        """
        values = chart_values(plan.scenario, connection, plan.values)
        held = hold_start_replicas(values, plan.scenario)
        return cls(
            plan=plan,
            connection=connection,
            release=HelmRelease(connection, plan.chart, held, folder=report_dir / "chart"),
            store=ModelStore(connection.model_store / STORE),
            sampler=ClusterSampler(connection),
            values=values,
        )
