"""The address and the protocol of a server, parsed from one URL.

    parse_address("grpc://localhost:8001")        # Address(protocol="grpc", secure=False, ...)
    parse_address("https://models.example/team")  # a path prefix before /v2 is allowed, for gateways

An invalid URL is rejected with the accepted forms. Messages never show a password of the URL.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, quote, urlsplit

from slipway.client._errors import InvalidAddress
from slipway.printable import printable

__all__ = ["Address", "parse_address", "without_secrets"]

_SCHEMES: dict[str, tuple[Literal["grpc", "http"], bool]] = {
    "grpc": ("grpc", False),
    "grpcs": ("grpc", True),
    "http": ("http", False),
    "https": ("http", True),
}
_NAME = re.compile(r"[A-Za-z0-9_]([-A-Za-z0-9_.]{0,251}[A-Za-z0-9_.])?")
_UNRESERVED_IN_PATH = "/%:@!$&'()*+,;=~-._"
_LONGEST_URL = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One server.

    Attributes:
        url: As the caller wrote it, and as messages show it. It holds no user and no password.
        protocol: gRPC or HTTP.
        secure: TLS.
        target: `host:port` for gRPC, the base URL for HTTP, without a trailing slash.
        local: A loopback address, which is reached without a proxy.
        host: Name or address, without brackets; ASCII.
        port: Port number.
        path: HTTP: the prefix before /v2, percent-encoded, without a trailing slash.
    """

    url: str
    protocol: Literal["grpc", "http"]
    secure: bool
    target: str
    local: bool
    host: str
    port: int
    path: str = ""


def parse_address(url: str) -> Address:
    """Parse a URL; no name is resolved and nothing is sent.

    Raises:
        InvalidAddress: The message lists the accepted forms.
    """
    if not isinstance(url, str):
        raise InvalidAddress(f"address: expected a URL such as grpc://localhost:8001, got {type(url).__name__}")
    shown = without_secrets(url)
    if not url.isprintable() or " " in url or len(url) > _LONGEST_URL:
        raise InvalidAddress(f"address {shown!r}: expected at most {_LONGEST_URL} characters, none of them blank")
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise InvalidAddress(
            f"address {shown!r}: expected a protocol prefix; write grpc://{shown} (Triton's port 8001) "
            f"or http://{shown} (Triton's port 8000)"
        )
    if scheme.lower() not in _SCHEMES:
        raise InvalidAddress(f"address {shown!r}: expected grpc://, grpcs://, http:// or https://, got {scheme}://")
    protocol, secure = _SCHEMES[scheme.lower()]
    host, port, parts = _split(url, shown, scheme)
    local = is_loopback(host)
    bracketed = f"[{host}]" if ":" in host else host
    if protocol == "grpc":
        if port is None or parts.path not in ("", "/"):
            raise InvalidAddress(f"address {shown!r}: expected {scheme}://host:port, as in {scheme}://{bracketed}:8001")
        target, path = f"{bracketed}:{port}", ""
    else:
        path = quote(parts.path.rstrip("/"), safe=_UNRESERVED_IN_PATH)
        written = bracketed if port is None else f"{bracketed}:{port}"
        target = f"{scheme.lower()}://{written}{path}"
        port = port or (443 if secure else 80)
    return Address(
        url=url, protocol=protocol, secure=secure, target=target, local=local, host=host, port=port, path=path
    )


def without_secrets(url: str) -> str:
    """Write a URL for a message: no user, no password, no query, no control characters."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    user, at, bare = rest.rpartition("@")
    rest = f"…@{bare}" if at and user else rest
    for mark in "?#":
        head, _, tail = rest.partition(mark)
        rest = f"{head}{mark}…" if tail else rest
    return printable(f"{scheme}{separator}{rest}", limit=200)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name: localhost, 127.0.0.0/8 or ::1."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str, shown: str, scheme: str) -> tuple[str, int | None, SplitResult]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise InvalidAddress(f"address {shown!r}: {_reason(exc, url)}") from None
    if not host or parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise InvalidAddress(f"address {shown!r}: expected {scheme}://host:port and no user, query or fragment")
    if port == 0:
        raise InvalidAddress(f"address {shown!r}: expected a port from 1 to 65535, got 0")
    return _host(host, shown), port, parts


def _host(host: str, shown: str) -> str:
    """Check a host; a non-ASCII name becomes its IDNA form."""
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise InvalidAddress(f"address {shown!r}: expected an IPv6 address in brackets, got [{host}]") from None
        return host
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if not _NAME.fullmatch(name) or ".." in name:
        raise InvalidAddress(f"address {shown!r}: expected the name or the address of a host, got {printable(host)!r}")
    return name


def _reason(exc: ValueError, url: str) -> str:
    """The parser's message, unless it repeats a part of the URL that may be secret."""
    return "expected no user in it" if "@" in url else printable(str(exc), limit=120)
