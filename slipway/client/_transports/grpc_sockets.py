"""Which TCP connections a gRPC channel has at the moment: it opens new ones by itself, without any notice.

gRPC's core numbers every socket for its own debugging service, channelz. A number that was not there before is a new
connection, behind which another server may answer.

Channelz takes half a millisecond, as long as a short call. A connection that is replaced is closed, though, and
whether a descriptor is still the same socket takes a microsecond to see. So channelz is asked where a descriptor
changed. A connection may also be left open for its last answers while a new one takes the next: every 10 ms the
descriptors of the process are listed, and channelz is asked only if one of them may be that new connection.
"""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from grpc._cython import cygrpc

__all__ = ["OPTIONS", "Sockets"]

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.enable_channelz", 1),
    ("grpc.max_channel_trace_event_memory_per_node", 0),  # its log is unused
)
"""What a channel needs to be watched."""

_LOOK_AGAIN_NS = 10_000_000
_FEW = 4
_MOST_DESCRIPTORS = 256  # listing more of them takes as long as channelz
_LONGEST_HANDSHAKE_NS = 30_000_000_000  # gRPC gives up after 20 s; an older socket that it does not list is another's
_SUBCHANNEL = re.compile(rb'"subchannelId":"(\d+)"')
_SOCKET = re.compile(rb'"socketId":"(\d+)"')

_IPV4_IN_IPV6 = bytes(10) + b"\xff\xff"  # how gRPC's sockets say an IPv4 address, RFC 4291 section 2.5.5.2

_making = threading.Lock()


class _Descriptor(NamedTuple):
    """A file descriptor: the port at the other end, 0 if it is no TCP connection, None while one opens."""

    port: int | None
    seen_ns: int


class Sockets:
    """The sockets of one channel.

    Args:
        make: Makes the channel.

    Attributes:
        channel: What it made.
        known: Numbers of the sockets that were there when `changed` was asked last.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        with _making:
            before = _newest_channel(0)
            self.channel = make()
            self._id = _newest_channel(before + 1)

        self._subchannels: list[int] = []
        self.known: frozenset[bytes] = frozenset()
        self._descriptors: dict[int, int] = {}
        self._of_process: dict[tuple[int, int], _Descriptor] = {}
        self._looked_ns = 0

    def changed(self) -> bool:
        """Whether there is a socket that was not there when this was asked last."""
        now_ns = time.monotonic_ns()
        overdue = now_ns - self._looked_ns > _LOOK_AGAIN_NS
        if not overdue and (len(self._subchannels) > _FEW or self._same_descriptors()):
            return False
        self._looked_ns = now_ns
        if overdue and self._same_descriptors() and not self._may_have_opened(now_ns):
            return False
        self._subchannels = [int(number) for number in _SUBCHANNEL.findall(_about_channel(self._id))]
        sockets = frozenset(
            number for subchannel in self._subchannels for number in _SOCKET.findall(_about_subchannel(subchannel))
        )
        new = bool(sockets - self.known)
        if sockets != self.known or not self._same_descriptors():
            self._descriptors = _descriptors(sockets)
        self.known = sockets
        return new

    def _may_have_opened(self, now_ns: int) -> bool:
        """Whether this process has a connection to the port of this channel's that may be a new one of this channel."""
        before, self._of_process = self._of_process, {}
        try:
            names = os.listdir("/proc/self/fd")  # noqa: PTH208 - the names are enough
        except OSError:
            return True
        if len(names) > _MOST_DESCRIPTORS:
            return True
        for fd in map(int, names):
            inode = _inode(fd)
            if inode is None:
                continue
            seen = before.get((fd, inode))
            if seen is None or seen.port is None:
                seen = _Descriptor(_port_of(fd), now_ns if seen is None else seen.seen_ns)
            self._of_process[fd, inode] = seen
        ours = set(self._descriptors.items())
        ports = {seen.port for key, seen in self._of_process.items() if key in ours}
        return any(
            seen.port in ports and key not in ours and now_ns - seen.seen_ns < _LONGEST_HANDSHAKE_NS
            for key, seen in self._of_process.items()
        )

    def _same_descriptors(self) -> bool:
        """Whether every connection is open still; False where they are not known."""
        return bool(self._descriptors) and all(_inode(fd) == inode for fd, inode in self._descriptors.items())


def _descriptors(sockets: Iterable[bytes]) -> dict[int, int]:
    """Inode by file descriptor of these sockets; empty where not all can be found, as on systems without /proc."""
    numbers = list(sockets)
    local_ends = {end for number in numbers if (end := _local_end(_about_socket(int(number)))) is not None}
    inodes: dict[int, int] = {}
    try:
        names = os.listdir("/proc/self/fd")  # noqa: PTH208 - the names are enough
    except OSError:
        return {}
    for fd in map(int, names):
        inode = _inode(fd)
        if inode is not None and _end_of(fd) in local_ends:
            inodes[fd] = inode
    return inodes if len(inodes) == len(numbers) else {}


def _local_end(about: bytes) -> tuple[bytes, int] | None:
    """Address and port on this side, out of channelz' description of a socket."""
    try:
        end = json.loads(about)["socket"]["local"]["tcpipAddress"]
        return base64.b64decode(end["ipAddress"]).removeprefix(_IPV4_IN_IPV6), int(end["port"])
    except (KeyError, TypeError, ValueError):
        return None


def _end_of(fd: int) -> tuple[bytes, int] | None:
    try:
        connection = _borrowed(fd)
    except OSError:  # no socket, or closed a moment ago
        return None
    try:
        if connection.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        host, port = connection.getsockname()[:2]
        packed = socket.inet_pton(connection.family, host)
    except (OSError, ValueError):
        return None
    finally:
        connection.detach()
    return packed.removeprefix(_IPV4_IN_IPV6), port


def _port_of(fd: int) -> int | None:
    """The port at the other end of a TCP connection; 0 for anything else, None for one that is not connected yet."""
    try:
        connection = _borrowed(fd)
    except OSError:
        return 0
    try:
        if connection.family not in (socket.AF_INET, socket.AF_INET6):
            return 0
        return int(connection.getpeername()[1])
    except OSError:
        return None
    finally:
        connection.detach()


def _borrowed(fd: int) -> socket.socket:
    """The socket of a descriptor that belongs to other code: `detach` it, so that it is not closed.

    SOCK_NONBLOCK says that it does not block already. Without it, Python makes the descriptor non-blocking, for its
    owner too, if the application has called `socket.setdefaulttimeout`.
    """
    return socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK, fileno=fd)


def _inode(fd: int) -> int | None:
    try:
        return os.fstat(fd).st_ino
    except OSError:
        return None


def _about_channel(number: int) -> bytes:
    return _about(cygrpc.channelz_get_channel, number)


def _about_subchannel(number: int) -> bytes:
    return _about(cygrpc.channelz_get_subchannel, number)


def _about_socket(number: int) -> bytes:
    return _about(cygrpc.channelz_get_socket, number)


def _about(ask: Callable[[int], bytes], number: int) -> bytes:
    try:
        return ask(number)
    except ValueError:  # it ended a moment ago
        return b""


def _newest_channel(start: int) -> int:
    """Number of the newest channel of this process, from `start` on."""
    newest = start
    while True:
        page = json.loads(cygrpc.channelz_get_top_channels(newest))
        numbers = [int(channel["ref"]["channelId"]) for channel in page.get("channel", [])]
        if not numbers:
            return newest
        newest = max(numbers)
        if page.get("end"):
            return newest
        newest += 1
