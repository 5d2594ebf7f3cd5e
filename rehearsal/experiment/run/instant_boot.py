"""The cluster's machines: which scenarios they can carry, and boots that take no time before the measurement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rehearsal.cluster.api.client import ApiClient, patch
from rehearsal.cluster.nodes.types import Nodes
from rehearsal.errors import RehearsalScenarioError
from rehearsal.experiment.scenario.schema import RehearsalScenario

__all__ = ["check_pool", "nodes_at_once"]

_CLASSES = "/apis/karpenter.kwok.sh/v1alpha1/kwoknodeclasses"


def check_pool(scenario: RehearsalScenario, nodes: Nodes) -> None:
    """Refuse a limit of GPUs where no node pool has one.

    Raises:
        RehearsalScenarioError: It sets one, and the machines are fixed.
    """
    limited = scenario.nodes.gpu_limit or any(action.do == "set_gpu_limit" for action in scenario.actions)
    if limited and nodes.pool != "karpenter":
        raise RehearsalScenarioError(
            "nodes.gpu_limit and set_gpu_limit change Karpenter's node pools, and this cluster has a fixed pool; bring "
            "it up with --nodes karpenter"
        )


@asynccontextmanager
async def nodes_at_once(api: ApiClient, nodes: Nodes) -> AsyncIterator[None]:
    """Nodes that are ordered inside the block join at once; afterwards each type takes its `boot_s` again.

    Karpenter's provider reads the delay of a class at each order, so nothing is restarted.

    Raises:
        ApiError: The API server does not answer, or refuses.
    """
    if nodes.pool == "fixed":
        yield
        return
    await _delay(api, {kind.name: 0 for kind in nodes.types})
    try:
        yield
    finally:
        await _delay(api, {kind.name: kind.boot_s for kind in nodes.types})


async def _delay(api: ApiClient, seconds: dict[str, int]) -> None:
    for name, delay_s in seconds.items():
        await api.send(patch(f"{_CLASSES}/{name}", {"spec": {"nodeRegistrationDelay": f"{delay_s}s"}}))
