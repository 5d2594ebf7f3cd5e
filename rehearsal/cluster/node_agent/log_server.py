"""The kubelet's log endpoint for `kubectl logs`: the kube-apiserver connects over TLS with a client certificate.

    async with serving_logs(folder, pod=agent.pod, listen=listen):
        await agent.run()

GET /containerLogs/<namespace>/<pod>/<container>?follow=true&previous=true&tailLines=20&limitBytes=1000&timestamps=true
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import AliasGenerator, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from rehearsal.cluster.node_agent.output import find_logs, pod_folder, read_lines

__all__ = ["Listen", "serving_logs"]

_ENDING_S = 0.5

FindPod = Callable[[str, str], Mapping[str, Any] | None]
"""A pod's manifest by namespace and name; None if the node agent does not run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Address and certificates of the endpoint.

    Attributes:
        host: Address.
        port: Port.
        certificate: PEM file of the server certificate.
        key: PEM file of its key.
        authority: PEM file of the CA of client certificates; other clients are rejected.
    """

    host: str
    port: int
    certificate: Path
    key: Path
    authority: Path


class _Asked(BaseModel):
    """PodLogOptions, as the kube-apiserver passes them."""

    model_config = ConfigDict(frozen=True, alias_generator=AliasGenerator(validation_alias=to_camel))

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since_seconds: int | None = None
    since_time: str | None = None


@asynccontextmanager
async def serving_logs(folder: Path, *, pod: FindPod, listen: Listen) -> AsyncIterator[None]:
    """Serve logs while the block runs.

    Args:
        folder: Log folder of all pods, written by `output.Output`.
        pod: Finds pods.
        listen: Address and certificates.

    Raises:
        OSError: The address is taken, or a certificate cannot be read.
    """
    app = web.Application()
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", _LogEndpoint(folder, pod).answer)
    # A client that follows a log and disconnects cancels its reading.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=_ENDING_S, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, listen.host, listen.port, ssl_context=_trust(listen)).start()
        yield
    finally:
        await runner.cleanup()


class _LogEndpoint:
    """Handler of the route."""

    def __init__(self, folder: Path, pod: FindPod) -> None:
        self._folder, self._pod = folder, pod

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Stream a container's log; an error is a 400 whose text kubectl prints."""
        namespace, name, container = (request.match_info[part] for part in ("namespace", "pod", "container"))
        try:
            asked = _Asked.model_validate(dict(request.query))
        except ValidationError as exc:
            raise web.HTTPBadRequest(text=str(exc)) from exc
        if asked.since_seconds is not None or asked.since_time is not None:
            raise web.HTTPBadRequest(text="a rehearsal's logs have no time stamps: omit --since, or use --tail")
        manifest = self._pod(namespace, name)
        if manifest is None:
            raise web.HTTPBadRequest(
                text=f"pod {name} has no log: kwok simulates it. Only pods of predictors and of `helm test` are real"
            )
        paths = find_logs(self._folder / pod_folder(manifest) / container)
        if asked.previous and paths and not _awaits_next(manifest, container, restarts=int(paths[0].stem)):
            paths = paths[1:]
        if not paths:
            raise web.HTTPBadRequest(text=_nothing(manifest, container, previous=asked.previous))
        path = paths[0]

        def ended() -> bool:
            return _ended(self._pod(namespace, name), manifest["metadata"]["uid"], container, restarts=int(path.stem))

        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        left = asked.limit_bytes
        # The files have no time stamps: a line gets the time at which it was read.
        seen = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        async for lines in read_lines(path, tail=asked.tail_lines, ended=ended if asked.follow else None):
            content = b"".join(_timed(line, seen) for line in lines) if asked.timestamps else b"".join(lines)
            await response.write(content[:left])
            if left is not None and (left := left - len(content)) <= 0:
                break
            seen = datetime.now(UTC)
        return response


def _timed(line: bytes, seen: datetime) -> bytes:
    return f"{seen:%Y-%m-%dT%H:%M:%S.%f}000Z ".encode() + line


def _nothing(manifest: Mapping[str, Any], container: str, *, previous: bool) -> str:
    """Why there is no log, as the kubelet phrases it."""
    pod = manifest["metadata"]["name"]
    if previous:
        return f'previous terminated container "{container}" in pod "{pod}" not found'
    reason = (_status(manifest, container).get("state") or {}).get("waiting", {}).get("reason", "ContainerCreating")
    return f'container "{container}" in pod "{pod}" is waiting to start: {reason}'


def _ended(manifest: Mapping[str, Any] | None, uid: str, container: str, *, restarts: int) -> bool:
    """Whether the run of that number has ended; the pod's status may still be that of the previous run."""
    if manifest is None or manifest["metadata"]["uid"] != uid:
        return True
    status = _status(manifest, container)
    now, state = status.get("restartCount", 0), status.get("state") or {}
    if restarts != now:
        return bool(restarts < now)
    # Waiting for any other reason: the run of that number has not started yet.
    return "terminated" in state or (state.get("waiting") or {}).get("reason") == "CrashLoopBackOff"


def _awaits_next(manifest: Mapping[str, Any], container: str, *, restarts: int) -> bool:
    """Whether the run of that number is `lastState` (kubectl: previous), and the next has not started yet."""
    waits = "waiting" in (_status(manifest, container).get("state") or {})
    return waits and _ended(manifest, manifest["metadata"]["uid"], container, restarts=restarts)


def _status(manifest: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    status = manifest.get("status") or {}
    each = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    return next((one for one in each if one["name"] == container), {})


def _trust(listen: Listen) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=listen.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(listen.certificate, listen.key)
    return context
