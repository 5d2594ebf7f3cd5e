"""Objects of the API server, followed: the whole set at first, and again after every change.

    async with api_client(connection.kubeconfig) as api:
        async for pods in follow(api, "/api/v1/pods", query={"labelSelector": "component=predictor"}):
            pods["serving", "mnist-predictor-7f9"]["status"]

It goes on through restarts of the API server, resource versions that are gone, and kinds that are not there yet:
whoever follows sees the last known set until there is a newer one. To stop, cancel the task.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import httpx

from rehearsal.errors import ClusterError

__all__ = ["Snapshot", "follow"]

Snapshot = Mapping[tuple[str, str], Mapping[str, Any]]
"""Objects as the API server gives them, by namespace ("" outside namespaces) and name."""

_WATCH_S: Final = 30
"""The server ends a watch after it. What is silent for longer is broken, not quiet."""
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_OURS: Final = frozenset({400, 405, 406, 415, 422})
"""Refusals that no repetition changes."""

_log = logging.getLogger(__name__)


class _ListAgainError(Exception):
    """The resource version is gone."""


class _UnavailableError(Exception):
    """The server is not there now, or does not know the kind (yet)."""

    def __init__(self, why: str, *, unknown: bool = False) -> None:
        super().__init__(why)
        self.unknown = unknown


async def follow(
    api: httpx.AsyncClient, path: str, *, query: Mapping[str, str] | None = None
) -> AsyncGenerator[Snapshot]:
    """Follow the objects of one list.

    Changes that arrive together come as one snapshot. A kind that the server does not know is an empty set.

    Args:
        api: From `rehearsal.cluster.api.kubeconfig.api_client`.
        path: Of the list, such as `/api/v1/namespaces/serving/pods`.
        query: `labelSelector` and `fieldSelector`.

    Yields:
        A new mapping each time; the objects in it are not to be changed. The first as soon as the server answers.

    Raises:
        ClusterError: The server says that the question is wrong.
    """
    parameters = dict(query or {})
    objects: dict[tuple[str, str], Mapping[str, Any]] = {}
    version, begun, failures = "", False, 0
    while True:
        try:
            if not version:
                objects, version = await _list(api, path, parameters)
                begun = True
                yield dict(objects)
            async with contextlib.aclosing(_watch(api, path, {**parameters, "resourceVersion": version})) as batches:
                async for batch in batches:
                    failures = 0
                    version = batch[-1]["object"]["metadata"]["resourceVersion"]
                    if _apply(batch, objects):
                        yield dict(objects)
        except _ListAgainError:
            version = ""
        except _UnavailableError as exc:
            if exc.unknown and not begun:
                begun = True
                yield {}
            if not failures:
                _log.info("%s: %s; asking again", path, exc)
            await asyncio.sleep(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**failures))
            version, failures = "", min(failures + 1, 10)


async def _list(
    api: httpx.AsyncClient, path: str, query: Mapping[str, str]
) -> tuple[dict[tuple[str, str], Mapping[str, Any]], str]:
    """The objects, and the resource version from which to watch."""
    try:
        answer = await api.get(path, params=query)
        await _check(answer)
        listed = answer.json()
        return {_key(item): item for item in listed["items"]}, listed["metadata"]["resourceVersion"]
    except (httpx.TransportError, ValueError, KeyError) as exc:
        raise _UnavailableError(repr(exc)) from exc


async def _watch(api: httpx.AsyncClient, path: str, query: Mapping[str, str]) -> AsyncGenerator[list[dict[str, Any]]]:
    """Events in the batches in which they arrive, until the server ends the watch."""
    parameters = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_S)}
    timeout = httpx.Timeout(10, read=_WATCH_S + 10)
    try:
        async with api.stream("GET", path, params=parameters, timeout=timeout) as answer:
            await _check(answer)
            rest = b""
            async for chunk in answer.aiter_bytes():
                *lines, rest = (rest + chunk).split(b"\n")
                events = [json.loads(line) for line in lines if line.strip()]
                if any(event["type"] == "ERROR" for event in events):
                    raise _ListAgainError
                if events:
                    yield events
    except (httpx.TransportError, ValueError, KeyError) as exc:
        raise _UnavailableError(repr(exc)) from exc


async def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    if answer.status_code == httpx.codes.GONE:
        raise _ListAgainError
    said = (await answer.aread()).decode(errors="replace")[:500].strip()
    if answer.status_code in _OURS:
        raise ClusterError(f"{answer.request.url}: the API server refused the question ({answer.status_code}): {said}")
    unknown = answer.status_code == httpx.codes.NOT_FOUND
    raise _UnavailableError(f"answered {answer.status_code}: {said}", unknown=unknown)


def _apply(events: list[dict[str, Any]], objects: dict[tuple[str, str], Mapping[str, Any]]) -> bool:
    """Bring the objects up to date; whether one changed."""
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
