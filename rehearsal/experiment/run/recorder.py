"""Looks at the cluster once a second while the load runs, and keeps what it sees.

    recorder = Recorder(connection)
    await recorder.run(api)               # until cancelled
    recorder.latest                       # from any thread
    recorder.observations(zero_s)

What does not answer is a gap in that look, never an error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
import psutil

from rehearsal.cluster.api.client import ApiClient
from rehearsal.cluster.connection import Connection
from rehearsal.cluster.controlplane.supervisor_client import Control
from rehearsal.errors import ApiError, RehearsalError
from rehearsal.experiment.result.observations import Event, FailedContainer, Observations, Sample
from rehearsal.experiment.run.node_lifecycle import NodeLives
from rehearsal.experiment.run.observe import (
    alerts_seen,
    events_told,
    failures,
    health_changes,
    hpa_seen,
    pods_seen,
    records_seen,
)
from rehearsal.experiment.run.pod_logs import with_causes
from rehearsal.experiment.run.values import RELEASE

__all__ = ["DEPLOYMENT", "PODS", "Recorder"]

DEPLOYMENT = f"{RELEASE}-predictor"
PODS = f"serving.kserve.io/inferenceservice={RELEASE},component=predictor"
"""Selects the replicas."""

_EVERY_S = 1.0
_HEALTH_EVERY_S = 5.0
_ANSWER_S = 3.0
_BEFORE_S = 10.0
"""Events of so long before the window are told too."""
_RECORDS = '{__name__=~"slipway:inference_(in_flight|pending):sum",namespace="%s"}'


class Recorder:
    """Of one rehearsal. Moments inside are Unix time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lives = NodeLives(price_per_hour=connection.nodes.price_per_hour)
        self._samples: list[Sample] = []
        self._events: dict[str, Event] = {}
        self._failures: dict[tuple[str, str, str], FailedContainer] = {}
        self._actions: list[Event] = []
        self._unhealthy: tuple[str, ...] = ()
        self._failed: frozenset[str] = frozenset()

    @property
    def latest(self) -> Sample | None:
        """The newest look; safe from any thread."""
        return self._samples[-1] if self._samples else None

    def note(self, event: Event) -> None:
        """Something that the rehearsal itself did, at Unix time."""
        self._actions.append(event)

    def note_health(self, failed: Iterable[str]) -> None:
        """Programs that a check of all of them found not at work.

        One is unhealthy once it has failed two checks in a row: a single answer that is late is told by a busy machine
        too, and would stand in every look until the next check.
        """
        now = frozenset(failed)
        self._unhealthy, self._failed = tuple(sorted(now & self._failed)), now

    async def run(self, api: ApiClient) -> None:
        """Look until cancelled."""
        async with (
            asyncio.TaskGroup() as tasks,
            httpx.AsyncClient(
                base_url=self._connection.prometheus_url, timeout=_ANSWER_S, trust_env=False
            ) as prometheus,
        ):
            tasks.create_task(self._watch_health())
            while True:
                began_s = time.monotonic()
                await self.look(api, prometheus)
                await asyncio.sleep(max(0.05, _EVERY_S - (time.monotonic() - began_s)))

    async def look(self, api: ApiClient, prometheus: httpx.AsyncClient) -> None:
        """Ask for everything at once, and keep the answers."""
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
        asked = [_read(api, path) for path in paths.values()]
        asked += [_ask(prometheus, "/api/v1/alerts"), _ask(prometheus, "/api/v1/query", query=_RECORDS % namespace)]
        *answers, alerts, records = await asyncio.gather(*asked)
        at_s = time.time()
        found = dict(zip(paths, answers, strict=True))
        if found["nodes"] is not None and found["claims"] is not None:
            self._lives.look(found["nodes"].get("items", ()), found["claims"].get("items", ()), at_s=at_s)
        for name in ("events", "cluster events"):
            self._events |= events_told((found[name] or {}).get("items", ()))
        if found["pods"] is not None:
            for failure in failures(found["pods"].get("items", ()), at_s=at_s):
                self._note_failure(failure)
        self._samples.append(self._sample(at_s, found, alerts, records))

    def _note_failure(self, failure: FailedContainer) -> None:
        key = (failure.pod, failure.container, failure.reason)
        if key not in self._failures:
            logs, namespace = self._connection.logs / "pods", self._connection.namespace
            self._failures[key] = with_causes(failure, logs=logs, namespace=namespace)

    def _sample(
        self, at_s: float, found: Mapping[str, Any], alerts: Mapping[str, Any] | None, records: Mapping[str, Any] | None
    ) -> Sample:
        seen: dict[str, Any] = {"at_s": at_s, "unhealthy": self._unhealthy, "busy": psutil.cpu_percent() / 100}
        gaps = []
        deployment, autoscalers, pods = found["deployment"], found["autoscalers"], found["pods"]
        if deployment is None or autoscalers is None or pods is None:
            gaps.append("apiserver")
        if deployment is not None:
            # One that is not there asks for no replica and has none.
            spec, status = deployment.get("spec", {}), deployment.get("status", {})
            seen |= {"wanted": spec.get("replicas", 0), "ready": status.get("readyReplicas", 0)}
            seen["updated"] = status.get("updatedReplicas", 0)
        if autoscalers is not None:
            seen |= hpa_seen(autoscalers.get("items", ()), DEPLOYMENT)
        if pods is not None:
            seen["pods"] = pods_seen(pods.get("items", ()))
        if not alerts or not records:
            gaps.append("prometheus")
        else:
            seen |= {"alerts": alerts_seen(alerts, self._connection.namespace), **records_seen(records)}
        return Sample(**seen, gaps=tuple(gaps))

    def observations(self, zero_s: float, *, served: tuple[str, ...] = ()) -> Observations:
        """Everything, in seconds from the start of the measured window, which is Unix time."""
        samples = tuple(each.model_copy(update={"at_s": round(each.at_s - zero_s, 2)}) for each in self._samples)
        told = [*self._events.values(), *self._actions]
        events = [each.model_copy(update={"at_s": round(each.at_s - zero_s, 1)}) for each in told]
        events += health_changes(samples)
        return Observations(
            samples=samples,
            nodes=self._lives.lives(zero_s),
            events=tuple(sorted((each for each in events if each.at_s >= -_BEFORE_S), key=lambda event: event.at_s)),
            failures=tuple(
                each.model_copy(update={"at_s": round(each.at_s - zero_s, 1)}) for each in self._failures.values()
            ),
            served=served,
        )

    async def _watch_health(self) -> None:
        """Less often than the rest: each program is asked to do its work."""
        control = Control(self._connection)
        while True:
            try:
                states = await asyncio.to_thread(control.status)
                self.note_health(state.name for state in states if not state.healthy)
            except RehearsalError:
                self.note_health(("supervisor",))
            await asyncio.sleep(_HEALTH_EVERY_S)


async def _read(api: ApiClient, path: str) -> dict[str, Any] | None:
    """An object or a list; empty where the server knows none, None where it does not answer."""
    try:
        return await api.get(path, timeout_s=_ANSWER_S) or {}
    except ApiError:
        return None


async def _ask(prometheus: httpx.AsyncClient, path: str, **query: str) -> dict[str, Any] | None:
    """What Prometheus answers; None where it does not."""
    try:
        answer = await prometheus.get(path, params=query or None, timeout=_ANSWER_S)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError):
        return None
    return found
