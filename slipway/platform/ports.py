"""Ports of this machine that nobody listens on.

    port = free_port()                          # for a program that cannot choose one itself
    with bound("127.0.0.1", 8001) as port:      # OSError (EADDRINUSE): somebody listens there
        ...

A port is set free again before its program takes it, so somebody else can be faster.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["bound", "free_port"]


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody listens on at this address, nor on every address."""
    with bound(address) as port:
        return port


@contextmanager
def bound(address: str, port: int | None = None) -> Iterator[int]:
    """Hold a TCP port without listening on it; several at once are different ones.

    Args:
        address: An IPv4 address of this machine, or all of them.
        port: None is a free one.

    Raises:
        OSError: Somebody listens there, the address is not this machine's, or the port needs a privilege.
    """
    with socket.socket() as probe:
        if port is not None:
            # What a server that ended a moment ago left in TIME_WAIT does not count as taken. A free port is chosen
            # without this option: with it, the kernel may give one port to two who ask.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port or 0))
        chosen: int = probe.getsockname()[1]
        yield chosen
