"""Reports one pod's status to the API server: the newest one, repeated until it is accepted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from rehearsal.errors import ApiError

__all__ = ["StatusReporter"]

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0

_log = logging.getLogger(__name__)


class StatusReporter:
    """Sends the statuses of one pod in order, skipping those that a newer one has replaced.

    Attributes:
        gone: Whether the pod no longer exists.
    """

    def __init__(self, send: Callable[[Mapping[str, Any]], Awaitable[bool]]) -> None:
        """Args: send: Sends one status; whether the pod still exists. Raises ApiError to be repeated."""
        self.gone = False
        self._send = send
        self._newest: Mapping[str, Any] | None = None
        self._reported: Mapping[str, Any] | None = None
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def report(self, status: Mapping[str, Any]) -> None:
        """Send this status next, unless it is unchanged."""
        if self.gone or status == self._reported:
            return
        self._newest = self._reported = status
        self._idle.clear()
        self._changed.set()

    async def flushed(self) -> None:
        """Wait until the newest status is sent."""
        await self._idle.wait()

    async def run(self) -> None:
        """Send, until the pod is gone or this is cancelled."""
        try:
            await self._send_each()
        finally:
            self._idle.set()  # a report that will not be sent must not block

    async def _send_each(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self.gone:
            await self._changed.wait()
            self._changed.clear()
            status, self._newest = self._newest, None
            if status is None:
                continue
            try:
                self.gone = not await self._send(status)
            except ApiError as exc:
                if pause_s == _FIRST_PAUSE_S:
                    _log.info("a status is retried later: %s", exc)
                self._newest = self._newest or status
                self._changed.set()
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            pause_s = _FIRST_PAUSE_S
            if self._newest is None:
                self._idle.set()
