"""Carry out a scenario's actions, each at its time, and record them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from functools import singledispatchmethod
from typing import Any

from rehearsal.cluster.api.client import ApiClient, patch
from rehearsal.cluster.controlplane.supervisor_client import SupervisorClient
from rehearsal.cluster.nodes.pools import KWOK_NODE, LEASES, LOST
from rehearsal.errors import ClusterError
from rehearsal.experiment.result.observations import Event
from rehearsal.experiment.run.chart_values import PODS
from rehearsal.experiment.run.context import RehearsalContext
from rehearsal.experiment.run.node_pools import set_gpu_limit
from rehearsal.experiment.run.responses import condition, gpus_of
from rehearsal.experiment.scenario.faults import (
    DamageVersion,
    Fault,
    LoseNode,
    RepairVersion,
    Serve,
    SetGpuLimit,
    SetValues,
    Start,
    Stop,
)
from slipway.errors import SlipwayError

__all__ = ["FaultInjector"]


class FaultInjector:
    """Carries out the actions of one rehearsal."""

    def __init__(self, context: RehearsalContext, api: ApiClient) -> None:
        self._context = context
        self._api = api
        self._supervisor = SupervisorClient(context.connection)

    async def run(self, actions: Sequence[Fault], window_start_s: float) -> None:
        """Carry out all actions, each at its time or after the previous one; `window_start_s` is Unix time."""
        for action in sorted(actions, key=lambda action: action.at_s):
            await asyncio.sleep(max(0.0, window_start_s + action.at_s - time.time()))
            await self.inject(action)

    async def inject(self, action: Fault) -> None:
        """Carry out one action now; a failure is recorded, and makes the rehearsal invalid."""
        await self._recorded(action.do, action.describe(), self._do(action))

    async def restore_min_replicas(self, autoscaling: Mapping[str, Any]) -> None:
        """Restore the autoscaler's `minReplicas` after the start; recorded as an action."""
        detail = f"helm upgrade: minReplicas is {autoscaling.get('minReplicas', 1)} from now on"
        await self._recorded(
            "restore_min_replicas",
            detail,
            asyncio.to_thread(self._context.release.upgrade, {"autoscaling": autoscaling}),
        )

    async def _recorded(self, what: str, detail: str, work: Awaitable[str | None]) -> None:
        at_s, subject, warning = time.time(), "", False
        try:
            subject = await work or ""
        except SlipwayError as exc:
            detail, warning = f"{detail}: failed: {exc}", True
        self._context.sampler.record_action(
            Event(at_s=at_s, kind="action", subject=subject, what=what, detail=detail, warning=warning)
        )

    @singledispatchmethod
    async def _do(self, action: object) -> str | None:
        raise NotImplementedError(type(action).__name__)

    @_do.register
    async def _(self, action: Serve) -> None:
        await asyncio.to_thread(self._context.release.upgrade, {"model": {"version": str(action.version)}})

    @_do.register
    async def _(self, action: SetValues) -> None:
        await asyncio.to_thread(self._context.release.upgrade, action.values)

    @_do.register
    async def _(self, action: DamageVersion) -> None:
        self._context.store.damage(action.version, how=action.how)

    @_do.register
    async def _(self, action: RepairVersion) -> None:
        self._context.store.repair(action.version)

    @_do.register
    async def _(self, _action: LoseNode) -> str:
        """Lose a node: the node agent kills its pods, and its heartbeat stops. Returns the node's name."""
        name = await self._serving_node()
        annotations = {LOST: "true", **dict.fromkeys(KWOK_NODE)}
        await self._api.send(patch(f"/api/v1/nodes/{name}", {"metadata": {"annotations": annotations}}))
        # kwok renews the lease of a node that it no longer manages, unless another identity holds it.
        held = {"spec": {"holderIdentity": "lost", "leaseDurationSeconds": 86_400}}
        await self._api.send(patch(f"{LEASES}/{name}", held))
        return name

    @_do.register
    async def _(self, action: SetGpuLimit) -> None:
        await set_gpu_limit(self._api, action.gpus)

    @_do.register
    async def _(self, action: Stop) -> str:
        for program in action.programs:
            await asyncio.to_thread(self._supervisor.stop, program, kill=True)
        return ", ".join(action.programs)

    @_do.register
    async def _(self, action: Start) -> str:
        for program in action.programs:
            await asyncio.to_thread(self._supervisor.start, program)
        return ", ".join(action.programs)

    async def _serving_node(self) -> str:
        """A GPU node with a ready replica; the first by name."""
        path = f"/api/v1/namespaces/{self._context.connection.namespace}/pods?labelSelector={PODS}"
        pods, nodes = [await self._api.items(each) for each in (path, "/api/v1/nodes")]
        gpu_nodes = {node["metadata"]["name"] for node in nodes if gpus_of(node)}
        serving = sorted(
            pod["spec"]["nodeName"]
            for pod in pods
            if condition(pod, "Ready").get("status") == "True" and pod["spec"].get("nodeName") in gpu_nodes
        )
        if not serving:
            raise ClusterError("expected a GPU node with a ready replica, got none")
        return str(serving[0])
