"""Free ports of this machine.

    port = free_port()                          # for a program that cannot choose one itself
    with bound("127.0.0.1", 8001) as port:      # OSError (EADDRINUSE): the port is in use
        ...

A port is released before its program binds it, so another process may take it first.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["bound", "free_port"]


def free_port(address: str = "127.0.0.1") -> int:
    """A port that is free at this address and on all addresses."""
    with bound(address) as port:
        return port


@contextmanager
def bound(address: str, port: int | None = None) -> Iterator[int]:
    """Bind a TCP port without listening on it; concurrent calls get different ports.

    Args:
        address: An IPv4 address of this machine, or all of them.
        port: None for a free one.

    Raises:
        OSError: The port is in use, the address is not this machine's, or the port needs a privilege.
    """
    with socket.socket() as probe:
        if port is not None:
            # Connections in TIME_WAIT of a server that has just ended do not count as use. A free port is chosen
            # without this option: with it, the kernel may give one port to two processes.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port or 0))
        chosen: int = probe.getsockname()[1]
        yield chosen
