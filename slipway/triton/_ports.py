"""A server's listeners: three free ports, and the addresses for clients."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from slipway.platform.ports import bound
from slipway.triton._errors import PortTaken, ServeError

if TYPE_CHECKING:
    from slipway.triton._settings import ServerSettings

_SIOCGIFADDR = 0x8915  # linux/sockios.h
_EVERY_INTERFACE = IPv4Address(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where one tritonserver listens."""

    http: int
    grpc: int
    metrics: int


def choose_ports(settings: ServerSettings) -> Ports:
    """Bind every port for a moment: the given ones, and where none is given a free one.

    They are released at once, so another process may still bind them before tritonserver.

    Raises:
        PortTaken: A given port is in use.
        ServeError: The address is not this machine's, or the port needs a privilege.
    """
    wanted = {"http": settings.http_port, "grpc": settings.grpc_port, "metrics": settings.metrics_port}
    given_first = sorted(wanted, key=lambda name: wanted[name] is None)
    with ExitStack() as held:
        chosen = {name: _bind(held, settings.address, wanted[name], name) for name in given_first}
    return Ports(**chosen)


def name_ports(settings: ServerSettings) -> Ports:
    """The given ports, in use or not, and free ones in place of missing ones."""
    with ExitStack() as held:
        wanted = {"http": settings.http_port, "grpc": settings.grpc_port, "metrics": settings.metrics_port}
        return Ports(**{name: port or _bind(held, settings.address, None, name) for name, port in wanted.items()})


def port_taken(name: str, address: str, port: int) -> PortTaken:
    """The error for a port in use."""
    return PortTaken(
        f"{name} port {port} on {address} is taken: choose another, or 0 for a free one "
        f"(who has it: `ss -ltnp 'sport = :{port}'`)",
        port=port,
    )


def _bind(held: ExitStack, address: str, port: int | None, name: str) -> int:
    try:
        return held.enter_context(bound(address, port))
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE and port is not None:
            raise port_taken(name, address, port) from exc
        raise ServeError(f"{name}: cannot listen on {address}:{port or 'any port'}: {exc.strerror}") from exc


def addresses_from_outside(address: str) -> tuple[str, ...]:
    """IPv4 addresses at which other machines may reach a server on `address`; none for loopback.

    Asked of the kernel, so no name is looked up. Only the first address of each interface is known.
    """
    given = IPv4Address(address)
    if given != _EVERY_INTERFACE:
        return () if given.is_loopback else (address,)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        found = (_address_of(asking, name) for _, name in socket.if_nameindex())
        return tuple(str(each) for each in found if each is not None and not each.is_loopback)


def _address_of(asking: socket.socket, interface: str) -> IPv4Address | None:
    request = struct.pack("256s", interface.encode()[:15])
    try:
        answer = fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, request)
    except OSError:
        return None  # it is down, or has only IPv6
    return IPv4Address(answer[20:24])
