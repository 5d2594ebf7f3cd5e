"""Samples the cluster once a second while the load runs: replicas, nodes, autoscaler, alerts and events.

    sampler = ClusterSampler(connection)
    await sampler.run(api)               # until cancelled
    sampler.latest                       # from any thread
    sampler.observations(window_start_s)

A source that does not respond leaves a gap in that sample and is never an error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
import psutil

from rehearsal.cluster.api.client import ApiClient
from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.controlplane.supervisor_client import SupervisorClient
from rehearsal.errors import ApiError, RehearsalError
from rehearsal.experiment.result.observations import Event, FailedContainer, Observations, Sample
from rehearsal.experiment.run.chart_values import DEPLOYMENT, PODS
from rehearsal.experiment.run.node_lifecycle import NodeLifecycles
from rehearsal.experiment.run.responses import (
    add_causes,
    failed_containers,
    health_changes,
    parse_alerts,
    parse_autoscaler,
    parse_events,
    parse_pods,
    parse_recorded_series,
)

__all__ = ["ClusterSampler"]

_EVERY_S = 1.0
_HEALTH_EVERY_S = 5.0
_ANSWER_S = 3.0
_BEFORE_S = 10.0
"""Events are kept from this long before the window on."""
_RECORDS = '{__name__=~"slipway:inference_(in_flight|pending):sum",namespace="%s"}'


class ClusterSampler:
    """Samples of one rehearsal. Times inside are Unix time."""

    def __init__(self, connection: ClusterConnection) -> None:
        self._connection = connection
        self._nodes = NodeLifecycles(price_per_hour=connection.nodes.price_per_hour)
        self._samples: list[Sample] = []
        self._events: dict[str, Event] = {}
        self._failures: dict[tuple[str, str, str], FailedContainer] = {}
        self._actions: list[Event] = []
        self._unhealthy: tuple[str, ...] = ()
        self._failed: frozenset[str] = frozenset()

    @property
    def latest(self) -> Sample | None:
        """The newest sample; safe from any thread."""
        return self._samples[-1] if self._samples else None

    def record_action(self, event: Event) -> None:
        """Add an action of the rehearsal itself, at Unix time."""
        self._actions.append(event)

    def record_health(self, failed: Iterable[str]) -> None:
        """Add the programs that failed their health check.

        A program is unhealthy once it has failed two checks in a row: a single late response may be due to a busy
        machine, and would count in every sample until the next check.
        """
        now = frozenset(failed)
        self._unhealthy, self._failed = tuple(sorted(now & self._failed)), now

    async def run(self, api: ApiClient) -> None:
        """Sample until cancelled."""
        async with (
            asyncio.TaskGroup() as tasks,
            httpx.AsyncClient(
                base_url=self._connection.prometheus_url, timeout=_ANSWER_S, trust_env=False
            ) as prometheus,
        ):
            tasks.create_task(self._watch_health())
            while True:
                began_s = time.monotonic()
                await self.sample(api, prometheus)
                await asyncio.sleep(max(0.05, _EVERY_S - (time.monotonic() - began_s)))

    async def sample(self, api: ApiClient, prometheus: httpx.AsyncClient) -> None:
        """Request everything at once, and keep the responses."""
        core, apps = f"/api/v1/namespaces/{self._connection.namespace}", "/apis/apps/v1/namespaces"
        namespace = self._connection.namespace
        paths = {
            "deployment": f"{apps}/{namespace}/deployments/{DEPLOYMENT}",
            "autoscalers": f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers",
            "pods": f"{core}/pods?labelSelector={PODS}",
            "nodes": "/api/v1/nodes",
            "claims": "/apis/karpenter.sh/v1/nodeclaims",
            "events": f"{core}/events",
            "cluster events": "/api/v1/namespaces/default/events",
        }
        requests = [_read(api, path) for path in paths.values()]
        requests += [
            _query(prometheus, "/api/v1/alerts"),
            _query(prometheus, "/api/v1/query", query=_RECORDS % namespace),
        ]
        *responses, alerts, records = await asyncio.gather(*requests)
        at_s = time.time()
        objects = dict(zip(paths, responses, strict=True))
        if objects["nodes"] is not None and objects["claims"] is not None:
            self._nodes.update(objects["nodes"].get("items", ()), objects["claims"].get("items", ()), at_s=at_s)
        for name in ("events", "cluster events"):
            self._events |= parse_events((objects[name] or {}).get("items", ()))
        if objects["pods"] is not None:
            for failure in failed_containers(objects["pods"].get("items", ()), at_s=at_s):
                self._record_failure(failure)
        self._samples.append(self._sample_of(at_s, objects, alerts, records))

    def _record_failure(self, failure: FailedContainer) -> None:
        key = (failure.pod, failure.container, failure.reason)
        if key not in self._failures:
            logs, namespace = self._connection.logs / "pods", self._connection.namespace
            self._failures[key] = add_causes(failure, logs=logs, namespace=namespace)

    def _sample_of(
        self,
        at_s: float,
        objects: Mapping[str, Any],
        alerts: Mapping[str, Any] | None,
        records: Mapping[str, Any] | None,
    ) -> Sample:
        fields: dict[str, Any] = {"at_s": at_s, "unhealthy": self._unhealthy, "busy": psutil.cpu_percent() / 100}
        gaps = []
        deployment, autoscalers, pods = objects["deployment"], objects["autoscalers"], objects["pods"]
        if deployment is None or autoscalers is None or pods is None:
            gaps.append("apiserver")
        if deployment is not None:
            # A missing Deployment requests no replica and has none.
            spec, status = deployment.get("spec", {}), deployment.get("status", {})
            fields |= {"wanted": spec.get("replicas", 0), "ready": status.get("readyReplicas", 0)}
            fields["updated"] = status.get("updatedReplicas", 0)
        if autoscalers is not None:
            fields |= parse_autoscaler(autoscalers.get("items", ()), DEPLOYMENT)
        if pods is not None:
            fields["pods"] = parse_pods(pods.get("items", ()))
        if not alerts or not records:
            gaps.append("prometheus")
        else:
            fields |= {"alerts": parse_alerts(alerts, self._connection.namespace), **parse_recorded_series(records)}
        return Sample(**fields, gaps=tuple(gaps))

    def observations(self, window_start_s: float, *, served: tuple[str, ...] = ()) -> Observations:
        """All observations, in seconds from the start of the measured window, which is Unix time."""
        samples = tuple(
            each.model_copy(update={"at_s": round(each.at_s - window_start_s, 2)}) for each in self._samples
        )
        recorded = [*self._events.values(), *self._actions]
        events = [each.model_copy(update={"at_s": round(each.at_s - window_start_s, 1)}) for each in recorded]
        events += health_changes(samples)
        return Observations(
            samples=samples,
            nodes=self._nodes.nodes(window_start_s),
            events=tuple(sorted((each for each in events if each.at_s >= -_BEFORE_S), key=lambda event: event.at_s)),
            failures=tuple(
                each.model_copy(update={"at_s": round(each.at_s - window_start_s, 1)})
                for each in self._failures.values()
            ),
            served=served,
        )

    async def _watch_health(self) -> None:
        """Check the health less often than the rest, since each check costs CPU time."""
        supervisor = SupervisorClient(self._connection)
        while True:
            try:
                states = await asyncio.to_thread(supervisor.status)
                self.record_health(state.name for state in states if not state.healthy)
            except RehearsalError:
                self.record_health(("supervisor",))
            await asyncio.sleep(_HEALTH_EVERY_S)


async def _read(api: ApiClient, path: str) -> dict[str, Any] | None:
    """An object or a list; empty if the server has none, None without a response."""
    try:
        return await api.get(path, timeout_s=_ANSWER_S) or {}
    except ApiError:
        return None


async def _query(prometheus: httpx.AsyncClient, path: str, **query: str) -> dict[str, Any] | None:
    """A response of Prometheus; None without one."""
    try:
        response = await prometheus.get(path, params=query or None, timeout=_ANSWER_S)
        response.raise_for_status()
        content: dict[str, Any] = response.json()
    except (httpx.HTTPError, ValueError):
        return None
    return content
