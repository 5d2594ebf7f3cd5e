"""HTTP, blocking and asyncio: one connection pool each, and the one place where httpx's exceptions are caught."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import TypeVar, cast

import httpx

from slipway.client._address import Address
from slipway.client._faults import Fault, FaultKind, closed
from slipway.client._http_codec import HttpResponse, decode, encode
from slipway.client._options import Tls, Token, bearer
from slipway.client._questions import Question

__all__ = ["AsyncHttpTransport", "HttpTransport"]

A = TypeVar("A")

# Compressing 40 bytes costs Triton more than it saves the wire; as many connections as the caller has threads.
_HEADERS = {"Accept-Encoding": "identity"}
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)

_KINDS: tuple[tuple[tuple[type[Exception], ...], FaultKind], ...] = (
    ((httpx.TimeoutException, TimeoutError), FaultKind.DEADLINE),
    ((httpx.ConnectError, httpx.ProxyError), FaultKind.UNREACHABLE),
    ((httpx.NetworkError, httpx.RemoteProtocolError), FaultKind.DRAINING),
)


class HttpTransport:
    """Blocking; as many kept connections as threads that call at once."""

    def __init__(self, address: Address, *, tls: Tls | None, token: Token | None) -> None:
        self._client = httpx.Client(
            base_url=address.target,
            headers=_HEADERS,
            limits=_LIMITS,
            verify=_trust(address, tls),
            trust_env=not address.local,
        )
        self._token = token

    def send(self, question: Question[A], timeout_s: float) -> A | Fault:
        """See `SyncTransport`."""
        until = _TimeLeft(timeout_s)
        request = encode(question, timeout_s)
        try:
            with self._client.stream(
                request.method,
                request.path,
                headers=request.headers | _authorization(self._token),
                content=request.content,
                extensions={"timeout": until},
            ) as response:
                body = b"".join(until.watched(response.iter_raw()))
        except (httpx.HTTPError, RuntimeError) as exc:  # RuntimeError: the client is closed
            return closed(exc) if self._client.is_closed else _fault(exc)
        return cast(
            "A | Fault",
            decode(question, HttpResponse(status=response.status_code, headers=response.headers, body=body)),
        )

    def close(self) -> None:
        """See `SyncTransport`."""
        self._client.close()


class AsyncHttpTransport:
    """For the event loop in which it is used first."""

    def __init__(self, address: Address, *, tls: Tls | None, token: Token | None) -> None:
        self._client = httpx.AsyncClient(
            base_url=address.target,
            headers=_HEADERS,
            limits=_LIMITS,
            verify=_trust(address, tls),
            trust_env=not address.local,
        )
        self._token = token

    async def send(self, question: Question[A], timeout_s: float) -> A | Fault:
        """See `AsyncTransport`."""
        request = encode(question, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._client.request(
                    request.method,
                    request.path,
                    headers=request.headers | _authorization(self._token),
                    content=request.content,
                    timeout=timeout_s,
                )
        except (httpx.HTTPError, RuntimeError, TimeoutError) as exc:  # RuntimeError: the client is closed
            return closed(exc) if self._client.is_closed else _fault(exc)
        return cast(
            "A | Fault",
            decode(
                question, HttpResponse(status=response.status_code, headers=response.headers, body=response.content)
            ),
        )

    async def close(self) -> None:
        """See `AsyncTransport`."""
        await self._client.aclose()


class _TimeLeft(Mapping[str, float]):
    """httpx's timeouts (connect, write, read, pool), each the time that is left of one deadline when it is read.

    httpx bounds each operation on its own, so four fixed numbers would let one request take four times its timeout.
    """

    def __init__(self, timeout_s: float) -> None:
        self._deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)

    def __getitem__(self, _: str) -> float:
        return max(0.001, (self._deadline_ns - time.monotonic_ns()) / 1e9)

    def __iter__(self) -> Iterator[str]:
        return iter(("connect", "write", "read", "pool"))

    def __len__(self) -> int:
        return 4

    def watched(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Pass a body through, and stop one that drips past the deadline."""
        for chunk in chunks:
            if time.monotonic_ns() > self._deadline_ns:
                raise httpx.ReadTimeout("the answer was still coming")
            yield chunk


def _trust(address: Address, tls: Tls | None) -> ssl.SSLContext:
    if not address.secure:  # a context that trusts nobody: to load the public authorities takes 100 ms
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls is None:
        return httpx.create_ssl_context()
    context = ssl.create_default_context(cafile=tls.ca_file)
    if tls.certificate_file:
        context.load_cert_chain(tls.certificate_file, tls.key_file)
    return context


def _authorization(token: Token | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": bearer(token)}


def _fault(exc: Exception) -> Fault:
    if isinstance(exc, RuntimeError):  # not httpx's word for anything else than "closed"
        raise exc
    kind = next((kind for types, kind in _KINDS if isinstance(exc, types)), FaultKind.FAILED)
    text = str(exc) or type(exc).__name__
    if isinstance(exc, httpx.RemoteProtocolError) and "disconnected" not in text and "closed" not in text:
        kind = FaultKind.UNREACHABLE  # somebody is there and speaks no HTTP
    if kind is FaultKind.DEADLINE:
        text = "still connecting" if isinstance(exc, httpx.ConnectTimeout) else "still waiting for it"
    return Fault(kind=kind, text=text, cause=exc)
