"""HTTP requests and responses as values: written for `httpcore`, and decompressed within limits."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpcore

from slipway.client._address import Address
from slipway.client._retry import Deadline
from slipway.client._transports.connection_settings import ConnectionSettings
from slipway.printable import printable

__all__ = ["BodyUnreadable", "HttpRequest", "HttpResponse", "RequestWriter", "decompressed"]

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request; `path` is relative to the server's URL."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One response, read to its end. Names in `headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BodyUnreadable(Exception):
    """The body has an unknown encoding, is damaged, or too large; the message says which."""


def decompressed(headers: Mapping[str, str], body: bytes, *, limit: int) -> bytes:
    """Decompress a body: some gateways compress although the client accepts only identity.

    Args:
        headers: Headers of the response.
        body: As received.
        limit: Maximum size of the result in bytes; a small body may expand to gigabytes.

    Raises:
        BodyUnreadable: See the class.
    """
    coding = headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity") or not body:
        if len(body) > limit:
            raise BodyUnreadable(f"expected an answer of at most {limit} bytes, got more")
        return body
    if coding not in _WINDOW_BITS:
        raise BodyUnreadable(
            f"expected an answer that is not compressed, or with gzip, got {printable(coding, limit=40)}"
        )
    decoder = zlib.decompressobj(_WINDOW_BITS[coding])
    try:
        content = decoder.decompress(body, limit + 1)
    except zlib.error as exc:
        raise BodyUnreadable(f"expected an answer in {coding}, got damaged bytes ({exc})") from exc
    if len(content) > limit:
        raise BodyUnreadable(f"expected an answer of at most {limit} bytes, got more in {coding}")
    if not decoder.eof:
        raise BodyUnreadable(f"expected an answer in {coding}, got only a part of it")
    return content


class RequestWriter:
    """Turns requests into `httpcore`'s, with the headers and options that each request of a client has."""

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
    """The deadline of a call in place of `httpcore`'s time-outs; see `DeadlineBackend` and `AsyncBackend`."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline

    def __getitem__(self, _: str) -> Any:  # noqa: ANN401 - a Deadline
        return self.deadline

    def __iter__(self) -> Iterator[str]:
        return iter(("connect", "write", "read"))

    def __len__(self) -> int:
        return 3
