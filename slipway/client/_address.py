"""Where a server is and how it is spoken to, read from one URL.

    parse_address("grpc://localhost:8001")        # Address(protocol="grpc", secure=False, ...)
    parse_address("https://models.example/team")  # a path in front of /v2 is allowed, gateways have one

What is no such URL is refused with the spellings that are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from slipway.client._errors import InvalidAddress

__all__ = ["Address", "parse_address"]

_SCHEMES: dict[str, tuple[Literal["grpc", "http"], bool]] = {
    "grpc": ("grpc", False),
    "grpcs": ("grpc", True),
    "http": ("http", False),
    "https": ("http", True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One server.

    Attributes:
        url: As the caller wrote it; what messages show.
        protocol: Spoken on the wire.
        secure: TLS.
        target: `host:port` for gRPC, the base URL for HTTP.
        local: On this machine, so no proxy of the environment stands in between.
    """

    url: str
    protocol: Literal["grpc", "http"]
    secure: bool
    target: str
    local: bool


def parse_address(url: str) -> Address:
    """Read a URL; no name is resolved and nothing is sent.

    Raises:
        InvalidAddress: With the spellings that would do.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise InvalidAddress(
            f"address {url!r}: expected a protocol in front; write grpc://{url} (Triton's port 8001) "
            f"or http://{url} (Triton's port 8000)"
        )
    if scheme.lower() not in _SCHEMES:
        raise InvalidAddress(f"address {url!r}: expected grpc://, grpcs://, http:// or https://, got {scheme}://")
    protocol, secure = _SCHEMES[scheme.lower()]
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise InvalidAddress(f"address {url!r}: {exc}") from exc
    if not host or parts.username or parts.query or parts.fragment:
        raise InvalidAddress(f"address {url!r}: expected {scheme}://host:port and no user, query or fragment")
    local = host in ("localhost", "::1") or host.startswith("127.")
    if protocol == "http":
        return Address(url=url, protocol=protocol, secure=secure, target=url.rstrip("/"), local=local)
    if port is None or parts.path not in ("", "/"):
        raise InvalidAddress(f"address {url!r}: expected {scheme}://host:port, as in {scheme}://{host}:8001")
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Address(url=url, protocol=protocol, secure=secure, target=target, local=local)
