"""Ask a container what one probe or hook asks.

answer = await Asker().ask(action, timeout_s=2, run=None)
answer.passed, answer.text
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import grpc
import httpx
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from rehearsal.cluster.node_agent.probe import Action

__all__ = ["Answer", "Asker", "Exec"]

Exec = Callable[[tuple[str, ...]], Awaitable[tuple[int, str]]]
"""Runs a command inside the container: its exit code and what it said."""

_DIRECT = (("grpc.enable_http_proxy", 0),)
"""As kubelet asks: pods stand on this machine, and no proxy of the environment knows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Of one question.

    Attributes:
        passed: Whether it is what was hoped for.
        text: What the kubelet's event says of a failure.
    """

    passed: bool
    text: str = ""


class Asker:
    """Asks; one for all containers. Connections are not kept, as the kubelet's are not."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(
            verify=False,  # noqa: S501  # the kubelet checks no certificate either
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"User-Agent": "kube-probe/1.36", "Accept": "*/*"},
        )

    async def close(self) -> None:
        """Close what is open."""
        await self._http.aclose()

    async def ask(self, action: Action, *, timeout_s: float, run: Exec) -> Answer:
        """Ask once; never raises for what the container does.

        Args:
            action: The question.
            timeout_s: Longest wait.
            run: For questions that are commands.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ask(action, run)
        except TimeoutError:
            return Answer(passed=False, text=f"no answer within {timeout_s:g} s")
        except (OSError, ValueError, httpx.HTTPError, httpx.InvalidURL, grpc.aio.AioRpcError) as exc:
            return Answer(passed=False, text=_said(exc))

    async def _ask(self, action: Action, run: Exec) -> Answer:
        if action.kind == "exec":
            code, said = await run(action.command)
            return Answer(passed=code == 0, text=said)
        if action.kind == "tcpSocket":
            _, writer = await asyncio.open_connection(action.host, action.port)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            return Answer(passed=True)
        if action.kind == "grpc":
            return await _ask_grpc(action)
        scheme = "https" if action.tls else "http"
        url = f"{scheme}://{action.host}:{action.port}{action.path}"
        answer = await self._http.get(url, headers=list(action.headers), timeout=None)  # the caller has one
        if answer.status_code < 400:
            return Answer(passed=True)
        return Answer(passed=False, text=f"HTTP probe failed with statuscode: {answer.status_code}")


async def _ask_grpc(action: Action) -> Answer:
    async with grpc.aio.insecure_channel(f"{action.host}:{action.port}", options=_DIRECT) as channel:
        answer = await HealthStub(channel).Check(HealthCheckRequest(service=action.path))
    serving = answer.status == HealthCheckResponse.SERVING
    return Answer(passed=serving, text="" if serving else "service unhealthy")


def _said(exc: Exception) -> str:
    if isinstance(exc, grpc.aio.AioRpcError):
        return f"{exc.code().name}: {exc.details()}"
    return str(exc) or type(exc).__name__
