"""The loopback network of one cluster, 127.N.0.0/16, so that clusters do not conflict.

network, lock = claim_network()                 # "127.64", held as long as the socket is open
require_ports(network)                          # PodPortTaken names the process that listens
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress

import psutil

from rehearsal.errors import PodPortTaken
from slipway.platform.ports import bound

__all__ = ["GATEWAY_PORT", "POD_PORTS", "claim_network", "require_ports"]

POD_PORTS = {8080: "HTTP", 9000: "gRPC", 8002: "metrics"}
"""Ports of the serving chart's pods; every pod has its own address."""
GATEWAY_PORT = 8080
_FIRST, _LAST = 64, 126
_LOCK_PORT = 49_151


def claim_network() -> tuple[str, socket.socket]:
    """Reserve a network that no other cluster of this machine uses.

    Returns:
        Its first two bytes, such as `127.64`, and the socket that reserves it.

    Raises:
        PodPortTaken: All networks are used.
    """
    for number in range(_FIRST, _LAST + 1):
        lock = socket.socket()
        try:
            lock.bind((f"127.{number}.0.1", _LOCK_PORT))
            lock.listen()
        except OSError:
            lock.close()
            continue
        return f"127.{number}", lock
    raise PodPortTaken(
        f"expected a free loopback network between 127.{_FIRST} and 127.{_LAST}, got none: port {_LOCK_PORT} is in use "
        "in each; end clusters with `slipway cluster down`"
    )


def require_ports(network: str, ports: Iterable[int] = POD_PORTS) -> None:
    """Reject ports that another process uses on every address, including the cluster's own.

    Raises:
        PodPortTaken: Names the port, the process, and the remedy.
    """
    address = f"{network}.1.1"
    for port in ports:
        try:
            with bound(address, port):
                pass
        except OSError as exc:
            raise PodPortTaken(
                f"expected port {port} to be free on the pods' addresses {network}.1.*, got: "
                f"{_listener(address, port)} listens on every address; end it, or make it listen on 127.0.0.1 "
                "only, and try again"
            ) from exc


def _listener(address: str, port: int) -> str:
    """The process that already listens on this address; pods of other clusters use other addresses."""
    conflicting = {(each, port) for each in (address, "0.0.0.0", "::")}  # noqa: S104 - read, not bound
    with suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and tuple(connection.laddr) in conflicting
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return "another process"
