"""The body of an HTTP answer, decompressed within limits, and what to say of one that nobody expected."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from slipway.printable import printable

__all__ = ["BodyUnreadable", "decompressed", "describe_response"]

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class BodyUnreadable(Exception):
    """The body is compressed in an unknown way, damaged, or too large; says so."""


def decompressed(headers: Mapping[str, str], body: bytes, *, limit: int) -> bytes:
    """Decompress a body: the client asks for none that is compressed, and some gateways do it anyway.

    Args:
        headers: Of the answer.
        body: As it came.
        limit: Most bytes of the result; a small body may hold gigabytes.

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
    """Describe an answer in one line: status, content type, and how its body begins."""
    kind = printable(headers.get("content-type", "") or "no content type", limit=60).partition(";")[0]
    start = printable(body[:400].decode(errors="replace").strip(), limit=120)
    return f"HTTP status {status}, {kind}" + (f": {start}" if start else "")
