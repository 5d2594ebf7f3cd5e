"""Where others find a server that listens on every interface."""

from __future__ import annotations

import fcntl
import socket
import struct
from ipaddress import IPv4Address

__all__ = ["addresses_from_outside"]

_SIOCGIFADDR = 0x8915  # linux/sockios.h
_EVERY_INTERFACE = IPv4Address(0)


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
