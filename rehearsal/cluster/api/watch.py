"""Watch objects of the API server: yields the whole set at first, and after every change.

    async with ApiClient.from_kubeconfig(connection.kubeconfig) as api:
        async for pods in follow(api, "/api/v1/pods", query={"labelSelector": "component=predictor"}):
            pods["serving", "mnist-predictor-7f9"]["status"]

It continues after restarts of the API server, expired resource versions, and for kinds that are not defined yet: the
last known set stays valid until there is a newer one. To stop, cancel the task.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import httpx

from rehearsal.cluster.api.client import ApiClient, read
from rehearsal.errors import ApiError, ApiRefused

__all__ = ["Snapshot", "follow"]

Snapshot = Mapping[tuple[str, str], Mapping[str, Any]]
"""Objects as the API server gives them, by namespace ("" outside namespaces) and name."""

_WATCH_S: Final = 30
"""The server ends a watch after this time. A connection that is silent for longer is broken."""
_TIMEOUT: Final = httpx.Timeout(10, read=_WATCH_S + 10)
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0

_Objects = dict[tuple[str, str], Mapping[str, Any]]

_log = logging.getLogger(__name__)


async def follow(api: ApiClient, path: str, *, query: Mapping[str, str] | None = None) -> AsyncGenerator[Snapshot]:
    """Watch the objects of one list.

    Changes that arrive together make one snapshot. An unknown kind is an empty set.

    Args:
        api: The client.
        path: Path of the list, such as `/api/v1/namespaces/serving/pods`.
        query: `labelSelector` and `fieldSelector`.

    Yields:
        A new mapping each time, whose objects must not be modified; the first one as soon as the server responds.

    Raises:
        ApiRefused: The server rejects the request.
    """
    selectors = query or {}
    objects: _Objects = {}
    version, begun, failures = "", False, 0
    while True:
        try:
            if not version:
                objects, version = await _list(api, path, selectors)
                begun = True
                yield dict(objects)
            async with contextlib.aclosing(_watch(api, path, selectors, version)) as batches:
                async for events, version in batches:  # noqa: B007
                    failures = 0
                    if _apply(events, objects):
                        yield dict(objects)
        except ApiRefused:
            raise
        except ApiError as exc:
            if exc.status == httpx.codes.NOT_FOUND and not begun:
                begun = True
                yield {}
            if not failures:
                _log.info("%s; listing again", exc)
            # An expired version is normal, unless the next one is expired too.
            if failures or exc.status != httpx.codes.GONE:
                await asyncio.sleep(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**failures))
            version, failures = "", min(failures + 1, 10)


async def _list(api: ApiClient, path: str, selectors: Mapping[str, str]) -> tuple[_Objects, str]:
    """The objects, and the resource version from which to watch."""
    listed = await api.get(path, selectors)
    if listed is None:
        raise ApiError(f"{path}: the API server does not know the kind", status=httpx.codes.NOT_FOUND)
    try:
        return {_key(item): item for item in listed["items"]}, listed["metadata"]["resourceVersion"]
    except (KeyError, TypeError) as exc:
        raise ApiError(f"{path}: expected a list of objects, got one without {exc}") from exc


async def _watch(
    api: ApiClient, path: str, selectors: Mapping[str, str], version: str
) -> AsyncGenerator[tuple[list[dict[str, Any]], str]]:
    """Events in the batches in which they arrive, each with its last resource version, until the server ends it."""
    watched = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_S)}
    request = read(path, {**selectors, **watched, "resourceVersion": version}, timeout=_TIMEOUT)
    async with contextlib.aclosing(api.events(request)) as batches:
        async for events in batches:
            try:
                for event in events:
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise ApiError(f"{request}: {status.get('message')}", status=status.get("code"))
                last = events[-1]["object"]["metadata"]["resourceVersion"]
            except (KeyError, TypeError) as exc:
                raise ApiError(f"{request}: expected events, got one without {exc}") from exc
            yield events, last


def _apply(events: list[dict[str, Any]], objects: _Objects) -> bool:
    """Apply events to the objects; returns whether one changed."""
    changed = False
    for event in events:
        if event["type"] == "DELETED":
            changed |= objects.pop(_key(event["object"]), None) is not None
        elif event["type"] in ("ADDED", "MODIFIED"):
            objects[_key(event["object"])] = event["object"]
            changed = True
    return changed


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
