"""HTTP requests and responses as values: decompressed within limits, and the failures that error responses mean."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from slipway.client._address import without_secrets
from slipway.client._transport_failures import FailureKind, TransportFailure, http_kind, plain_text
from slipway.printable import printable

__all__ = [
    "BodyUnreadable",
    "HttpRequest",
    "HttpResponse",
    "decompressed",
    "describe_response",
    "error_response",
    "error_text",
    "redirect_response",
    "unexpected_response",
]

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
        headers: Of the response.
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


def describe_response(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """Describe a response in one line: status, content type, start of the body."""
    kind = printable(headers.get("content-type", "") or "no content type", limit=60).partition(";")[0]
    start = printable(body[:400].decode(errors="replace").strip(), limit=120)
    return f"HTTP status {status}, {kind}" + (f": {start}" if start else "")


def unexpected_response(response: HttpResponse, cause: Exception | None = None) -> TransportFailure:
    """The failure of a response that is not the V2 protocol's."""
    received = describe_response(response.status, response.headers, response.body)
    kind = FailureKind.FAILED if received.startswith("HTTP status 200, application/") else FailureKind.NOT_V2
    text = f"expected a V2 protocol response, got {received}"
    return TransportFailure(kind=kind, text=text, status=str(response.status), cause=cause)


def redirect_response(response: HttpResponse) -> TransportFailure:
    """The failure of a redirect, which the client does not follow."""
    location = without_secrets(response.headers.get("location", "no location"))
    text = f"expected a V2 protocol response, got HTTP status {response.status}, a redirect to {location}"
    return TransportFailure(kind=FailureKind.NOT_V2, text=text, status=str(response.status))


def error_response(response: HttpResponse) -> TransportFailure:
    """The failure of an error response: the server's JSON error, or a gateway's page."""
    message = error_text(response.body)
    retry_after = response.headers.get("retry-after", "")
    kind = http_kind(response.status, message or "")
    if message is None and kind in (FailureKind.NOT_FOUND, FailureKind.INVALID):
        return unexpected_response(response)
    received = describe_response(response.status, response.headers, response.body)
    return TransportFailure(
        kind=kind,
        text=plain_text(message) if message else received,
        status=str(response.status),
        retry_after_s=float(retry_after[:9]) if retry_after.isdecimal() and retry_after.isascii() else 0.0,
    )


def error_text(body: bytes) -> str | None:
    """The message of a JSON error, or None for any other body."""
    content = body.decode(errors="replace").strip()
    if not content.startswith("{"):
        return None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    text = next((document[name] for name in ("error", "detail", "message") if name in document), content)
    return str(text)[:2000]
