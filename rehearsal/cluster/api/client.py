"""Client of the API server, asynchronous and blocking; a request is a separate value.

    async with ApiClient.from_kubeconfig(connection.kubeconfig) as api:
        await api.get("/api/v1/nodes/gpu-1")                    # None if there is none
        await api.send(patch("/api/v1/nodes/gpu-1", {"spec": {"unschedulable": True}}))

Objects are plain JSON: a program that reads a few fields of a few kinds starts several times faster without the classes
of an SDK.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx

from rehearsal.cluster.api.kubeconfig import client_settings
from rehearsal.errors import ApiError, ApiRefused
from slipway.printable import printable

__all__ = ["CHANGE_S", "ApiClient", "BlockingApiClient", "Request", "apply", "create", "delete", "patch", "read"]

CHANGE_S: Final = 60.0
"""Time-out of writes: on a busy machine the server takes long to store dozens of definitions."""
_REFUSED: Final = frozenset({400, 405, 406, 415, 422})
"""Status codes of permanent errors."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request for httpx; `timeout` is in seconds between bytes, or per phase."""

    method: str
    url: str
    params: Mapping[str, str] | None = None
    content: str | None = None
    headers: Mapping[str, str] | None = None
    timeout: float | httpx.Timeout = 10.0

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


def read(path: str, query: Mapping[str, str] | None = None, *, timeout: float | httpx.Timeout = 10.0) -> Request:
    """Read an object, a list or a page; the query holds `labelSelector` and similar parameters."""
    return Request(method="GET", url=path, params=query, timeout=timeout)


def create(item: Mapping[str, Any], *, dry_run: bool = False) -> Request:
    """Create an object; in a dry run it passes admission but is not stored."""
    path, query = _path(item).rpartition("/")[0], {"dryRun": "All"} if dry_run else None
    return Request(method="POST", url=path, params=query, **_body(item, "json"))


def apply(item: Mapping[str, Any]) -> Request:
    """Create or update an object by server-side apply, taking over fields of other managers."""
    query = {"fieldManager": "slipway", "force": "true"}
    return Request(method="PATCH", url=_path(item), params=query, timeout=CHANGE_S, **_body(item, "apply-patch+yaml"))


def patch(path: str, change: Mapping[str, Any], *, strategic: bool = False) -> Request:
    """Patch an object: None removes a field; a list is replaced, or with `strategic` merged by its keys."""
    kind = "strategic-merge-patch+json" if strategic else "merge-patch+json"
    return Request(method="PATCH", url=path, **_body(change, kind))


def delete(path: str, *, grace_period_s: int | None = None, uid: str | None = None) -> Request:
    """Delete an object, with its own grace period by default; with `uid` only if the uid matches."""
    options: dict[str, Any] = {} if grace_period_s is None else {"gracePeriodSeconds": grace_period_s}
    if uid is not None:
        options["preconditions"] = {"uid": uid}
    return Request(method="DELETE", url=path, **_body(options, "json"))


def _body(value: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {"content": json.dumps(value), "headers": {"Content-Type": f"application/{kind}"}}


def _path(item: Mapping[str, Any]) -> str:
    """The plural is derived as Kubernetes itself does (UnsafeGuessKindToResource)."""
    version, metadata, plural = item["apiVersion"], item["metadata"], item["kind"].lower()
    if plural.endswith("y"):
        plural = f"{plural.removesuffix('y')}ies"
    else:
        plural += "es" if plural.endswith("s") else "s"
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    space = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{root}{space}/{plural}/{metadata['name']}"


class ApiClient:
    """Asynchronous client. Every method raises ApiError for a failed request."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Self:
        """Connect to the server of the current context; raises ClusterError if the file is missing or invalid."""
        return cls(httpx.AsyncClient(**client_settings(path)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._http.aclose()

    async def send(self, request: Request) -> bytes:
        """Send a request; returns the body of the response."""
        try:
            return _checked(request, await self._http.request(**vars(request)))
        except httpx.HTTPError as exc:
            raise _no_answer(request, exc) from exc

    async def get(
        self, path: str, query: Mapping[str, str] | None = None, *, timeout_s: float = 10.0
    ) -> dict[str, Any] | None:
        """An object or a list; None if it does not exist."""
        request = read(path, query, timeout=timeout_s)
        try:
            return _parsed(request, await self.send(request))
        except ApiError as exc:
            if exc.status != httpx.codes.NOT_FOUND:
                raise
            return None

    async def items(self, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """Objects of a list; empty if the server does not know the kind."""
        found: list[dict[str, Any]] = (await self.get(path, query) or {"items": []})["items"]
        return found

    async def events(self, request: Request) -> AsyncGenerator[list[dict[str, Any]]]:
        """JSON lines of a streaming response, in the batches in which they arrive, until the server ends it."""
        try:
            async with self._http.stream(**vars(request)) as answer:
                if not answer.is_success:
                    await answer.aread()
                    _checked(request, answer)
                rest = b""
                async for chunk in answer.aiter_bytes():
                    *lines, rest = (rest + chunk).split(b"\n")
                    if events := [_parsed(request, line) for line in lines if line.strip()]:
                        yield events
        except httpx.HTTPError as exc:
            raise _no_answer(request, exc) from exc


class BlockingApiClient:
    """Blocking, thread-safe client. Every method raises ApiError."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Self:
        """As `ApiClient.from_kubeconfig`."""
        return cls(httpx.Client(**client_settings(path)))

    def send(self, request: Request) -> bytes:
        """Send a request; returns the body of the response."""
        try:
            return _checked(request, self._http.request(**vars(request)))
        except httpx.HTTPError as exc:
            raise _no_answer(request, exc) from exc

    def get(self, path: str) -> dict[str, Any]:
        """An object or a list."""
        request = read(path)
        return _parsed(request, self.send(request))


def _checked(request: Request, answer: httpx.Response) -> bytes:
    if answer.is_success:
        return answer.content
    status, said = answer.status_code, printable(_message(answer.content), limit=4000)
    kind = ApiRefused if status in _REFUSED else ApiError
    raise kind(f"{request}: the API server answered {status}: {said}", status=status, said=said)


def _message(content: bytes) -> str:
    """The message of a `Status` object, or the whole text."""
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()


def _parsed(request: Request, content: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(content)
    except ValueError as exc:
        raise ApiError(f"{request}: expected JSON, got {exc}") from exc
    return found


def _no_answer(request: Request, exc: httpx.HTTPError) -> ApiError:
    return ApiError(f"{request}: the API server does not answer: {exc!r}")
