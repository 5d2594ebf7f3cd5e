"""What the node agent reads and writes at the API server, in one place."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from rehearsal.cluster.node_agent.status import timestamp

__all__ = ["Objects", "Unavailable"]

_STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
_REFUSED = (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)  # no repetition changes that
_EVENTS_AT_ONCE = 1000

_log = logging.getLogger(__name__)


class Unavailable(Exception):
    """The API server does not answer now, or not as it should; to be asked again."""


class Objects:
    """The API server.

    Pods are named by their manifest, and changed only if they are still that very pod, by its uid.
    """

    def __init__(self, api: httpx.AsyncClient) -> None:
        self._api = api
        self._events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(_EVENTS_AT_ONCE)
        self._counted: dict[tuple[str, str, str], tuple[str, int]] = {}

    async def get(self, path: str) -> dict[str, Any] | None:
        """An object; None if there is none.

        Raises:
            Unavailable: No answer.
        """
        answer = await self._send("GET", path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        found: dict[str, Any] = _checked(answer).json()
        return found

    async def entries(self, kind: str, namespace: str, name: str) -> dict[str, bytes] | None:
        """What a ConfigMap or Secret holds; None if there is none.

        Raises:
            Unavailable: No answer.
        """
        found = await self.get(f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{name}")
        if found is None:
            return None
        encoded = found.get("data" if kind == "Secret" else "binaryData") or {}
        plain = {} if kind == "Secret" else found.get("data") or {}
        return {
            **{key: value.encode() for key, value in plain.items()},
            **{key: base64.b64decode(value) for key, value in encoded.items()},
        }

    async def report(self, pod: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
        """Merge a status into the pod's.

        Returns:
            Whether the pod is still there.

        Raises:
            Unavailable: No answer.
        """
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        answer = await self._send("PATCH", f"{_path(pod)}/status", json=body, headers=_STRATEGIC)
        return _still_there(answer)

    async def delete(self, pod: Mapping[str, Any]) -> None:
        """Take the pod away: nothing of it runs any more.

        Raises:
            Unavailable: No answer.
        """
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        _still_there(await self._send("DELETE", _path(pod), json=body))

    def event(self, pod: Mapping[str, Any], reason: str, message: str, *, warning: bool = False) -> None:
        """Tell what happened to a pod; lost while the API server is away for long."""
        metadata = pod["metadata"]
        now = timestamp(datetime.now(UTC))
        key = metadata["uid"], reason, message
        name, count = self._counted.get(key, (f"{metadata['name']}.{uuid4().hex[:16]}", 0))
        self._counted[key] = name, count + 1
        path = f"/api/v1/namespaces/{metadata['namespace']}/events"
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "reason": reason,
            "message": message[:1024],
            "type": "Warning" if warning else "Normal",
            "source": {"component": "kubelet", "host": pod["spec"].get("nodeName", "")},
            "reportingComponent": "kubelet",
            "reportingInstance": pod["spec"].get("nodeName", ""),
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        if count:
            path, event = f"{path}/{name}", {"count": count + 1, "lastTimestamp": now}
        try:
            self._events.put_nowait((path, event))
        except asyncio.QueueFull:
            _log.warning("event lost: %s %s", reason, message)

    def forget(self, pod: Mapping[str, Any]) -> None:
        """The pod is gone: its events are not counted on."""
        self._counted = {key: value for key, value in self._counted.items() if key[0] != pod["metadata"]["uid"]}

    async def send_events(self) -> None:
        """Send what `event` took, until cancelled."""
        while True:
            path, event = await self._events.get()
            method, headers = ("POST", {}) if "kind" in event else ("PATCH", _STRATEGIC)
            try:
                answer = await self._send(method, path, json=event, headers=headers)
            except Unavailable:
                continue
            if answer.is_error and answer.status_code not in {httpx.codes.NOT_FOUND, httpx.codes.FORBIDDEN}:
                _log.warning("event: the API server answered %s: %s", answer.status_code, answer.text[:200])

    async def _send(self, method: str, path: str, **content: Any) -> httpx.Response:  # noqa: ANN401  # httpx' own
        try:
            return await self._api.request(method, path, **content)
        except httpx.HTTPError as exc:
            raise Unavailable(f"{method} {path}: {exc!r}") from exc


def _path(pod: Mapping[str, Any]) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _still_there(answer: httpx.Response) -> bool:
    replaced = answer.status_code == httpx.codes.CONFLICT and "uid" in answer.text.lower()
    if answer.status_code == httpx.codes.NOT_FOUND or replaced:
        return False
    if answer.status_code in _REFUSED:
        _log.error("%s: the API server refused: %s", answer.request.url.path, answer.text[:1000])
        return True
    _checked(answer)
    return True


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise Unavailable(f"{answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
    return answer
