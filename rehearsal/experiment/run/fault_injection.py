"""Does what a scenario's actions say, each at its time, and notes the moment at which it was done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from functools import singledispatchmethod
from typing import Any

from rehearsal.cluster.api.client import ApiClient, patch
from rehearsal.cluster.connection import Connection
from rehearsal.cluster.controlplane.supervisor_client import Control
from rehearsal.cluster.nodes.pools import KWOK_NODE, LEASES, LOST
from rehearsal.errors import ClusterError
from rehearsal.experiment.result.observations import Event
from rehearsal.experiment.run.chart import Chart
from rehearsal.experiment.run.observe import condition, gpus_of
from rehearsal.experiment.run.recorder import PODS, Recorder
from rehearsal.experiment.run.store import ModelStore
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

__all__ = ["Performer", "set_gpu_limit"]

_POOLS = "/apis/karpenter.sh/v1/nodepools"


class Performer:
    """Of one rehearsal."""

    def __init__(
        self, connection: Connection, chart: Chart, store: ModelStore, recorder: Recorder, api: ApiClient
    ) -> None:
        self._connection = connection
        self._chart = chart
        self._store = store
        self._recorder = recorder
        self._api = api
        self._control = Control(connection)

    async def run(self, actions: Sequence[Fault], zero_s: float) -> None:
        """Do all of them, each at its time or as soon as the one before is done; `zero_s` is Unix time."""
        for action in sorted(actions, key=lambda action: action.at_s):
            await asyncio.sleep(max(0.0, zero_s + action.at_s - time.time()))
            await self.perform(action)

    async def perform(self, action: Fault) -> None:
        """Do one now; what fails is noted, and makes the rehearsal invalid."""
        await self._noted(action.do, action.describe(), self._do(action))

    async def let_go(self, autoscaling: Mapping[str, Any]) -> None:
        """Bring the autoscaler to these values, which no longer hold replicas up; noted like an action."""
        detail = f"helm upgrade: minReplicas is {autoscaling.get('minReplicas', 1)} from now on"
        await self._noted("let_go", detail, asyncio.to_thread(self._chart.upgrade, {"autoscaling": autoscaling}))

    async def _noted(self, what: str, detail: str, work: Awaitable[str | None]) -> None:
        at_s, subject, warning = time.time(), "", False
        try:
            subject = await work or ""
        except SlipwayError as exc:
            detail, warning = f"{detail}: it failed: {exc}", True
        self._recorder.note(Event(at_s=at_s, kind="action", subject=subject, what=what, detail=detail, warning=warning))

    @singledispatchmethod
    async def _do(self, action: object) -> str | None:
        raise NotImplementedError(type(action).__name__)

    @_do.register
    async def _(self, action: Serve) -> None:
        await asyncio.to_thread(self._chart.upgrade, {"model": {"version": str(action.version)}})

    @_do.register
    async def _(self, action: SetValues) -> None:
        await asyncio.to_thread(self._chart.upgrade, action.values)

    @_do.register
    async def _(self, action: DamageVersion) -> None:
        self._store.damage(action.version, how=action.how)

    @_do.register
    async def _(self, action: RepairVersion) -> None:
        self._store.repair(action.version)

    @_do.register
    async def _(self, _action: LoseNode) -> str:
        """The node's name. Its agent kills what runs there, and its heartbeat ends: nobody says a word."""
        name = await self._serving_node()
        annotations = {LOST: "true", **dict.fromkeys(KWOK_NODE)}
        await self._api.send(patch(f"/api/v1/nodes/{name}", {"metadata": {"annotations": annotations}}))
        # kwok renews the lease of a node that it no longer manages, unless somebody else holds it.
        taken = {"spec": {"holderIdentity": "lost", "leaseDurationSeconds": 86_400}}
        await self._api.send(patch(f"{LEASES}/{name}", taken))
        return name

    @_do.register
    async def _(self, action: SetGpuLimit) -> None:
        await set_gpu_limit(self._api, action.gpus)

    @_do.register
    async def _(self, action: Stop) -> str:
        for program in action.programs:
            await asyncio.to_thread(self._control.stop, program, kill=True)
        return ", ".join(action.programs)

    @_do.register
    async def _(self, action: Start) -> str:
        for program in action.programs:
            await asyncio.to_thread(self._control.start, program)
        return ", ".join(action.programs)

    async def _serving_node(self) -> str:
        """A GPU node with a ready replica; the first by name."""
        path = f"/api/v1/namespaces/{self._connection.namespace}/pods?labelSelector={PODS}"
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
