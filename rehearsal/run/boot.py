"""Machines that need no time to boot, for as long as nobody measures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from rehearsal.nodes.types import Nodes
from rehearsal.run.objects import merge_patch

__all__ = ["nodes_at_once"]

_CLASSES = "/apis/karpenter.kwok.sh/v1alpha1/kwoknodeclasses"


@asynccontextmanager
async def nodes_at_once(api: httpx.AsyncClient, nodes: Nodes) -> AsyncIterator[None]:
    """Nodes that are ordered inside the block join at once; afterwards each type takes its `boot_s` again.

    Karpenter's provider reads the delay of a class at each order, so nothing is restarted.

    Raises:
        httpx.HTTPError: The API server does not answer, or refuses.
    """
    if nodes.pool == "fixed":
        yield
        return
    await _delay(api, {kind.name: 0 for kind in nodes.types})
    try:
        yield
    finally:
        await _delay(api, {kind.name: kind.boot_s for kind in nodes.types})


async def _delay(api: httpx.AsyncClient, seconds: dict[str, int]) -> None:
    for name, delay_s in seconds.items():
        await merge_patch(api, f"{_CLASSES}/{name}", {"spec": {"nodeRegistrationDelay": f"{delay_s}s"}})
