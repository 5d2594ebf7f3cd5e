"""What a transport is made with: the address is where, this is how."""

from __future__ import annotations

from dataclasses import dataclass, field

from slipway.client._options import KeepAlive
from slipway.client._sender import Sender
from slipway.client._trust import Tls

__all__ = ["Wiring"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """One client's choices, checked, for whichever of the four transports is opened.

    Attributes:
        sender: Writes token and headers.
        tls: Certificates; None: the public authorities.
        authority: The name under which a gateway knows the server: HTTP's Host, gRPC's :authority, and the name that
            the certificate must carry; None: the URL's host.
        keepalive: gRPC; None: off.
        max_connections: HTTP: most connections at once.
    """

    sender: Sender = field(default_factory=lambda: Sender(token=None, headers={}))
    tls: Tls | None = None
    authority: str | None = None
    keepalive: KeepAlive | None = field(default_factory=KeepAlive)
    max_connections: int = 100

    @property
    def server_name(self) -> str | None:
        """The authority without its port: what TLS asks for."""
        if self.authority is None:
            return None
        name = self.authority if self.authority.endswith("]") else self.authority.rpartition(":")[0] or self.authority
        return name.strip("[]")
