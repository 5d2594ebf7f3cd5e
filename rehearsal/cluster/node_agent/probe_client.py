"""Sends the request of one probe or hook to a container.

result = await ProbeClient().send(action, timeout_s=2, run=None)
result.passed, result.text
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

from rehearsal.cluster.node_agent.probe import ProbeAction

__all__ = ["Exec", "ProbeClient", "ProbeResult"]

Exec = Callable[[tuple[str, ...]], Awaitable[tuple[int, str]]]
"""Runs a command inside the container; returns its exit code and output."""

_DIRECT = (("grpc.enable_http_proxy", 0),)
"""No proxy, as in the kubelet: pods are local."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """Result of one request.

    Attributes:
        passed: Whether the request succeeded.
        text: The failure, as in the kubelet's event.
    """

    passed: bool
    text: str = ""


class ProbeClient:
    """Sends requests for all containers. Connections are not kept alive, as in the kubelet."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(
            verify=False,  # noqa: S501  # the kubelet does not verify certificates either
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"User-Agent": "kube-probe/1.36", "Accept": "*/*"},
        )

    async def close(self) -> None:
        """Close what is open."""
        await self._http.aclose()

    async def send(self, action: ProbeAction, *, timeout_s: float, run: Exec) -> ProbeResult:
        """Send one request; failures of the container are results, not exceptions.

        Args:
            action: The request.
            timeout_s: Longest wait.
            run: Runs a request that is a command.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._send(action, run)
        except TimeoutError:
            return ProbeResult(passed=False, text=f"no answer within {timeout_s:g} s")
        except (OSError, ValueError, httpx.HTTPError, httpx.InvalidURL, grpc.aio.AioRpcError) as exc:
            return ProbeResult(passed=False, text=_reason(exc))

    async def _send(self, action: ProbeAction, run: Exec) -> ProbeResult:
        if action.kind == "exec":
            code, output = await run(action.command)
            return ProbeResult(passed=code == 0, text=output)
        if action.kind == "tcpSocket":
            _, writer = await asyncio.open_connection(action.host, action.port)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            return ProbeResult(passed=True)
        if action.kind == "grpc":
            return await _send_grpc(action)
        scheme = "https" if action.tls else "http"
        url = f"{scheme}://{action.host}:{action.port}{action.path}"
        answer = await self._http.get(url, headers=list(action.headers), timeout=None)  # the caller sets it
        if answer.status_code < 400:
            return ProbeResult(passed=True)
        return ProbeResult(passed=False, text=f"HTTP probe failed with statuscode: {answer.status_code}")


async def _send_grpc(action: ProbeAction) -> ProbeResult:
    async with grpc.aio.insecure_channel(f"{action.host}:{action.port}", options=_DIRECT) as channel:
        answer = await HealthStub(channel).Check(HealthCheckRequest(service=action.path))
    serving = answer.status == HealthCheckResponse.SERVING
    return ProbeResult(passed=serving, text="" if serving else "service unhealthy")


def _reason(exc: Exception) -> str:
    if isinstance(exc, grpc.aio.AioRpcError):
        return f"{exc.code().name}: {exc.details()}"
    return str(exc) or type(exc).__name__
