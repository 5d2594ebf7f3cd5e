"""Karpenter's node pools during a rehearsal: the limit of GPUs, and boots without delay before the load."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rehearsal.cluster.api.client import ApiClient, patch
from rehearsal.cluster.nodes.pools import Nodes
from rehearsal.errors import ClusterError, RehearsalScenarioError
from rehearsal.experiment.scenario.schema import RehearsalScenario

__all__ = ["check_gpu_limit", "instant_boot", "set_gpu_limit"]

_POOLS = "/apis/karpenter.sh/v1/nodepools"
_CLASSES = "/apis/karpenter.kwok.sh/v1alpha1/kwoknodeclasses"


def check_gpu_limit(scenario: RehearsalScenario, nodes: Nodes) -> None:
    """Reject a limit of GPUs for a pool that has none.

    Raises:
        RehearsalScenarioError: The scenario sets one, and the pool is fixed.
    """
    limited = scenario.nodes.gpu_limit or any(action.do == "set_gpu_limit" for action in scenario.actions)
    if limited and nodes.pool != "karpenter":
        raise RehearsalScenarioError(
            "nodes.gpu_limit and set_gpu_limit change Karpenter's node pools, and this cluster has a fixed pool; bring "
            "it up with --nodes karpenter"
        )


@asynccontextmanager
async def instant_boot(api: ApiClient, nodes: Nodes) -> AsyncIterator[None]:
    """Nodes requested inside the block join at once; afterwards each type takes its `boot_s` again.

    Karpenter's provider reads the delay of a class for each node, so nothing is restarted.

    Raises:
        ApiError: The API server does not answer, or refuses.
    """
    if nodes.pool == "fixed":
        yield
        return
    await _set_delays(api, {kind.name: 0 for kind in nodes.types})
    try:
        yield
    finally:
        await _set_delays(api, {kind.name: kind.boot_s for kind in nodes.types})


async def _set_delays(api: ApiClient, seconds: dict[str, int]) -> None:
    for name, delay_s in seconds.items():
        await api.send(patch(f"{_CLASSES}/{name}", {"spec": {"nodeRegistrationDelay": f"{delay_s}s"}}))


async def set_gpu_limit(api: ApiClient, gpus: int) -> None:
    """Change how many GPUs each of Karpenter's node pools may have.

    Raises:
        ClusterError: There is no pool.
        ApiError: The API server does not answer, or refuses.
    """
    pools = await api.items(_POOLS)
    if not pools:
        raise ClusterError("expected Karpenter's node pools, got none: the GPU limit needs `nodes.file: karpenter`")
    for pool in pools:
        limits = {"nvidia.com/gpu": str(gpus)}
        await api.send(patch(f"{_POOLS}/{pool['metadata']['name']}", {"spec": {"limits": limits}}))
