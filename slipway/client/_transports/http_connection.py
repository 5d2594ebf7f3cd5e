"""One HTTP connection, blocking or asyncio: opened when it is needed, opened again when the server has closed it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import httpcore
import httpx

from slipway.client._address import Address
from slipway.client._retry import Deadline
from slipway.client._tls import ca_certificates_of_environment
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.client._transports.connection_settings import ConnectionSettings
from slipway.client._transports.http_async_sockets import AsyncBackend
from slipway.client._transports.http_messages import HttpRequest, HttpResponse
from slipway.client._transports.http_sockets import DeadlineBackend
from slipway.client._transports.proxies import proxy_for

__all__ = ["AsyncConnection", "Connection", "Words", "connection_maker"]

ConnectionT = TypeVar("ConnectionT")

_KEPT_S = 5.0  # an idle connection is closed; servers and gateways in between forget theirs, some without a word


class Words:
    """Turns the codec's requests into `httpcore`'s, with everything that is the same for each."""

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        self._base = address.target
        self._request_headers = settings.request_headers
        bracketed = f"[{address.host}]" if ":" in address.host else address.host
        usual = address.port == (443 if address.secure else 80)
        host = settings.authority or (bracketed if usual else f"{bracketed}:{address.port}")
        # Compressing 40 bytes costs Triton more than it saves the wire.
        self._headers = {"host": host, "accept": "*/*", "accept-encoding": "identity", "user-agent": "slipway"}
        self._extensions = {} if settings.server_name is None else {"sni_hostname": settings.server_name}

    def write(self, request: HttpRequest, deadline: Deadline) -> httpcore.Request:
        """Write one request.

        Raises:
            TokenUnusable: See `RequestHeaders.headers`.
        """
        headers = {**self._headers, **self._request_headers.headers(), **request.headers}
        if request.content or request.method == "POST":
            headers["content-length"] = str(len(request.content))
        return httpcore.Request(
            request.method,
            self._base + request.path,
            headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()],
            content=request.content,
            extensions={**self._extensions, "timeout": _Timeouts(deadline)},
        )


class _Timeouts(Mapping[str, Any]):
    """What `httpcore` calls time-outs: to our own sockets the deadline itself, to asyncio's the time that is left."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline

    def __getitem__(self, _: str) -> Any:  # noqa: ANN401 - a Deadline, which only our own sockets understand
        return self.deadline

    def __iter__(self) -> Iterator[str]:
        return iter(("connect", "write", "read"))

    def __len__(self) -> int:
        return 3


class Connection:
    """Blocking; for one thread at a time, but for `abort`."""

    def __init__(self, options: Mapping[str, Any], proxy: Mapping[str, Any]) -> None:
        self._backend = DeadlineBackend()
        opened = httpcore.HTTPProxy if proxy else httpcore.ConnectionPool
        self._pool: httpcore.ConnectionPool = opened(**options, **proxy, network_backend=self._backend)

    @property
    def connected_ns(self) -> int:
        """`time.monotonic_ns()` before the connection that answered last was opened."""
        return self._backend.connected_ns

    def exchange(self, request: httpcore.Request, *, limit: int) -> HttpResponse | TransportFailure:
        """Ask and read the answer to its end; more than `limit` bytes are a TransportFailure."""
        response = self._pool.handle_request(request)
        try:
            body = bytearray()
            for chunk in response.iter_stream():
                body += chunk
                if len(body) > limit:
                    return _too_long(response.status, limit)
        finally:
            response.close()
        if _has_leftover(self._pool.connections):
            self._pool.close()
        return HttpResponse(status=response.status, headers=_headers(response.headers), body=bytes(body))

    def abort(self) -> None:
        """End what another thread waits for."""
        self._backend.abort()

    def close(self) -> None:
        """Give the connection back."""
        self._pool.close()


class AsyncConnection:
    """For one task at a time; the caller bounds the time."""

    def __init__(self, options: Mapping[str, Any], proxy: Mapping[str, Any]) -> None:
        self._backend = AsyncBackend()
        opened = httpcore.AsyncHTTPProxy if proxy else httpcore.AsyncConnectionPool
        self._pool: httpcore.AsyncConnectionPool = opened(**options, **proxy, network_backend=self._backend)

    @property
    def connected_ns(self) -> int:
        """See `Connection`."""
        return self._backend.connected_ns

    async def exchange(self, request: httpcore.Request, *, limit: int) -> HttpResponse | TransportFailure:
        """See `Connection`."""
        response = await self._pool.handle_async_request(request)
        try:
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > limit:
                    return _too_long(response.status, limit)
        finally:
            await response.aclose()
        if _has_leftover(self._pool.connections):
            await self._pool.aclose()
        return HttpResponse(status=response.status, headers=_headers(response.headers), body=bytes(body))

    async def close(self) -> None:
        """Give the connection back."""
        await self._pool.aclose()


def connection_maker(
    address: Address, settings: ConnectionSettings, kind: Callable[[Mapping[str, Any], Mapping[str, Any]], ConnectionT]
) -> Callable[[], ConnectionT]:
    """Read certificates and the environment once, for all connections to come.

    Raises:
        InvalidAddress: The environment names a proxy or a file of authorities that cannot be used.
        ValueError: A certificate cannot be read any more.
    """
    options: dict[str, Any] = {
        "max_connections": 1,
        "keepalive_expiry": _KEPT_S,
        "ssl_context": _trust(address, settings),
    }
    proxy = proxy_for(address)
    through: dict[str, Any] = {}
    if proxy is not None:
        through = {"proxy_url": f"http://{proxy}"}
        if proxy.user:
            through["proxy_auth"] = (proxy.user.encode(), proxy.password.encode())
    return lambda: kind(options, through)


def _too_long(status: int, limit: int) -> TransportFailure:
    text = f"expected an answer of at most {limit} bytes, got more"
    return TransportFailure(kind=FailureKind.FAILED, text=text, status=str(status))


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("ascii", "replace").lower(): value.decode("latin-1") for name, value in raw}


def _has_leftover(connections: Iterable[object]) -> bool:
    """Whether a connection of an `httpcore` pool, between two requests, holds bytes that were received and not read.

    A server or a gateway that answers twice, or sends a body where there is none, leaves such bytes behind the answer,
    and `httpcore` would read them as the answer to whatever is asked next. A closed connection holds none.
    """
    return any(_unread(connection) for connection in connections)


def _unread(connection: object) -> bool:
    """Look into the innermost connection, which alone has a parser; `httpcore` itself shows it to nobody."""
    inner = connection
    while (below := getattr(inner, "_connection", None)) is not None:
        inner = below
    parser = getattr(inner, "_h11_state", None)
    return parser is not None and bool(parser.trailing_data[0])


def _trust(address: Address, settings: ConnectionSettings) -> ssl.SSLContext:
    if not address.secure:  # a context that trusts nobody: to load the public authorities takes 100 ms
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if settings.tls is None or settings.tls.ca_file is None:
        ca_certificates_of_environment()  # or a refusal in words
    return httpx.create_ssl_context() if settings.tls is None else settings.tls.context()
