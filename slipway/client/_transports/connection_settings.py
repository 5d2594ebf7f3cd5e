"""What a transport is made with: the address is where, this is how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from slipway.client._options import KeepAlive
from slipway.client._request_headers import RequestHeaders, Token, checked_authority, checked_headers, checked_token
from slipway.client._tls import Tls

__all__ = ["ConnectionSettings", "connection_settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """One client's choices, checked, for whichever of the four transports is opened.

    Attributes:
        request_headers: Writes token and headers.
        tls: Certificates; None: the public authorities.
        authority: The name under which a gateway knows the server: HTTP's Host, gRPC's :authority, and the name that
            the certificate must carry; None: the URL's host.
        keepalive: gRPC; None: off.
        max_connections: HTTP: most connections at once.
    """

    request_headers: RequestHeaders = field(default_factory=lambda: RequestHeaders(token=None, headers={}))
    tls: Tls | None = None
    authority: str | None = None
    keepalive: KeepAlive | None = field(default_factory=KeepAlive)
    max_connections: int = 100

    @property
    def server_name(self) -> str | None:
        """The authority without its port: the TLS server name."""
        if self.authority is None:
            return None
        name = self.authority if self.authority.endswith("]") else self.authority.rpartition(":")[0] or self.authority
        return name.strip("[]")


def connection_settings(
    *,
    tls: Tls | None = None,
    token: Token | None = None,
    headers: Mapping[str, str] | None = None,
    authority: str | None = None,
    keepalive: KeepAlive | None = None,
    max_connections: int = 100,
) -> ConnectionSettings:
    """Check what a `Classifier` takes under the same names, for it or for a transport of one's own.

    Raises:
        ValueError: One of them cannot be sent; its value is not shown.
        TypeError: A token or headers are of another type.
    """
    return ConnectionSettings(
        request_headers=RequestHeaders(token=checked_token(token), headers=checked_headers(headers)),
        tls=tls,
        authority=checked_authority(authority),
        keepalive=keepalive,
        max_connections=max_connections,
    )
