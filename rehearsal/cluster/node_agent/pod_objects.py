"""The objects that the node agent reads and writes: pods, their events, ConfigMaps and Secrets."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from rehearsal.cluster.api.client import ApiClient, Request, create, delete, patch
from rehearsal.cluster.node_agent.status import timestamp
from rehearsal.errors import ApiError, ApiRefused

__all__ = ["PodObjects"]

_EVENTS_AT_ONCE = 1000
_GONE = {404: "", 409: "UID", 422: "metadata.uid"}
"""Status codes for a pod that no longer exists, or was replaced: 409 for a deletion, 422 for a status."""

_log = logging.getLogger(__name__)


class PodObjects:
    """The API server.

    Pods are given by their manifest, and changed only if the uid still matches. Methods raise ApiError if the server
    does not respond, and can then be retried.
    """

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._events: asyncio.Queue[Request] = asyncio.Queue(_EVENTS_AT_ONCE)
        self._counted: dict[tuple[str, str, str], tuple[str, int]] = {}

    async def get(self, path: str) -> dict[str, Any] | None:
        """An object; None if there is none."""
        return await self._api.get(path)

    async def entries(self, kind: str, namespace: str, name: str) -> dict[str, bytes] | None:
        """The entries of a ConfigMap or Secret; None if there is none."""
        content = await self.get(f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{name}")
        if content is None:
            return None
        encoded = content.get("data" if kind == "Secret" else "binaryData") or {}
        plain = {} if kind == "Secret" else content.get("data") or {}
        return {
            **{key: value.encode() for key, value in plain.items()},
            **{key: base64.b64decode(value) for key, value in encoded.items()},
        }

    async def report(self, pod: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
        """Merge a status into the pod's; returns whether the pod still exists."""
        change = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        return await self._change(patch(f"{_path(pod)}/status", change, strategic=True))

    async def delete(self, pod: Mapping[str, Any]) -> None:
        """Remove the pod, which has no processes any more."""
        await self._change(delete(_path(pod), grace_period_s=0, uid=pod["metadata"]["uid"]))

    def event(self, pod: Mapping[str, Any], reason: str, message: str, *, warning: bool = False) -> None:
        """Record an event of a pod; lost if the API server is unavailable for long."""
        key = pod["metadata"]["uid"], reason, message
        name, count = self._counted.get(key, (f"{pod['metadata']['name']}.{uuid4().hex[:16]}", 0))
        self._counted[key] = name, count + 1
        event = _event(pod, name, reason, message, warning=warning)
        if count:
            change = {"count": count + 1, "lastTimestamp": event["lastTimestamp"]}
            request = patch(f"/api/v1/namespaces/{event['metadata']['namespace']}/events/{name}", change)
        else:
            request = create(event)
        try:
            self._events.put_nowait(request)
        except asyncio.QueueFull:
            _log.warning("event lost: %s %s", reason, message)

    def forget(self, pod: Mapping[str, Any]) -> None:
        """Drop the event counters of a removed pod."""
        self._counted = {key: value for key, value in self._counted.items() if key[0] != pod["metadata"]["uid"]}

    async def send_events(self) -> None:
        """Send recorded events, until cancelled."""
        while True:
            request = await self._events.get()
            try:
                await self._api.send(request)
            except ApiError as exc:
                if exc.status not in {None, httpx.codes.NOT_FOUND, httpx.codes.FORBIDDEN}:
                    _log.warning("event: %s", exc)

    async def _change(self, request: Request) -> bool:
        """Send a change; returns whether the pod still exists. A rejected change is dropped."""
        try:
            await self._api.send(request)
        except ApiError as exc:
            if exc.status in _GONE and _GONE[exc.status] in exc.said:
                return False
            if not isinstance(exc, ApiRefused):
                raise
            _log.error("%s", exc)
        return True


def _path(pod: Mapping[str, Any]) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _event(pod: Mapping[str, Any], name: str, reason: str, message: str, *, warning: bool) -> dict[str, Any]:
    metadata, node = pod["metadata"], pod["spec"].get("nodeName", "")
    named = {"namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
    now = timestamp(datetime.now(UTC))
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata["namespace"]},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", **named},
        "reason": reason,
        "message": message[:1024],
        "type": "Warning" if warning else "Normal",
        "source": {"component": "kubelet", "host": node},
        "reportingComponent": "kubelet",
        "reportingInstance": node,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
