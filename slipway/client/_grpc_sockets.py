"""Which TCP connections a gRPC channel has at the moment: it opens new ones by itself and tells nobody.

gRPC's core numbers every socket for its own debugging service, channelz. A number that was not there before is a new
connection, behind which another server may answer.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from grpc._cython import cygrpc

__all__ = ["OPTIONS", "Sockets"]

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.enable_channelz", 1),
    ("grpc.max_channel_trace_event_memory_per_node", 0),  # its log is read by nobody
)
"""What a channel needs to be watched."""

_LOOK_AGAIN_NS = 10_000_000
_FEW = 4
_SUBCHANNEL = re.compile(rb'"subchannelId":"(\d+)"')
_SOCKET = re.compile(rb'"socketId":"(\d+)"')

_making = threading.Lock()


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
        self._looked_ns = 0

    def changed(self) -> bool:
        """Whether there is a socket that was not there when this was asked last. Takes about 0.1 ms.

        The channel's addresses are looked at again after 10 ms only, or when a socket is new; so are the sockets of a
        name with many addresses.
        """
        now_ns = time.monotonic_ns()
        overdue = now_ns - self._looked_ns > _LOOK_AGAIN_NS
        if not overdue and len(self._subchannels) > _FEW:
            return False
        sockets = frozenset() if overdue else self._sockets()
        if overdue or not sockets or sockets != self.known:
            self._looked_ns = now_ns
            self._subchannels = [int(number) for number in _SUBCHANNEL.findall(_about_channel(self._id))]
            sockets = self._sockets()
        new = bool(sockets - self.known)
        self.known = sockets
        return new

    def _sockets(self) -> frozenset[bytes]:
        return frozenset(
            socket for number in self._subchannels for socket in _SOCKET.findall(_about_subchannel(number))
        )


def _about_channel(number: int) -> bytes:
    return _about(cygrpc.channelz_get_channel, number)


def _about_subchannel(number: int) -> bytes:
    return _about(cygrpc.channelz_get_subchannel, number)


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
