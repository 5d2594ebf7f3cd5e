"""Which proxy of the environment stands between this machine and a server: one rule for both protocols.

    proxy_for(parse_address("https://models.example"))     # Proxy(host="proxy.example", port=3128), or None

`HTTPS_PROXY` is for https:// and grpcs://, `HTTP_PROXY` for http:// and grpc://, `ALL_PROXY` for what has none of its
own, and `NO_PROXY` names the hosts that are asked directly: names with all below them, addresses, and networks such as
10.0.0.0/8 (in small letters too, which win). This machine (localhost, 127.0.0.0/8, ::1) is always asked directly. gRPC
and https go through a tunnel (CONNECT).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib import request as urllib_request
from urllib.parse import quote, unquote, urlsplit

from slipway.client._address import Address, without_secrets
from slipway.client._errors import InvalidAddress

__all__ = ["Proxy", "proxy_for"]

_is_bypassed: Callable[[str, dict[str, str]], bool] = vars(urllib_request)["proxy_bypass_environment"]  # has no types


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        host: Its name or address, without brackets.
        port: Port number.
        user: User name; empty if none.
        password: With `user`; shown nowhere.
    """

    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """With user and password: for a transport, not for a message."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return f"http://{login}{self}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def proxy_for(address: Address) -> Proxy | None:
    """Return the proxy that the environment names for an address, or None where it is asked directly.

    Raises:
        InvalidAddress: The environment names a proxy of another kind (SOCKS), or none that can be understood; the
            message names the variable and not its value's secrets.
    """
    if address.local:
        return None
    proxies = urllib_request.getproxies_environment()
    name = "https" if address.secure else "http"
    name = name if name in proxies else "all"
    value = proxies.get(name, "").strip()
    if not value or _is_asked_directly(address, proxies.get("no", "")):
        return None
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if parts.scheme != "http" or not host:
        raise InvalidAddress(
            f"{name.upper()}_PROXY: expected http://host:port, got {without_secrets(value)}; name an HTTP proxy, "
            f"or list {address.host} in NO_PROXY"
        )
    return Proxy(host=host, port=port or 80, user=unquote(parts.username or ""), password=unquote(parts.password or ""))


def _is_asked_directly(address: Address, no_proxy: str) -> bool:
    """Whether `NO_PROXY` names a host; `urllib` knows neither networks nor "*.example.com"."""
    names = [name.strip() for name in no_proxy.split(",")]
    known = [name.removeprefix("*") if name.startswith("*.") else name for name in names]
    if _is_bypassed(f"{address.host}:{address.port}", {"no": ",".join(known)}):
        return True
    try:
        host = ipaddress.ip_address(address.host)
    except ValueError:
        return False
    return any(host in network for network in map(_network, names) if network is not None)


def _network(name: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(name.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None
