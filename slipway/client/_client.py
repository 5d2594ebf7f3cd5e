"""The base of both clients: validated options, and one session per process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from slipway.client._address import Address, parse_address
from slipway.client._core import Core
from slipway.client._errors import ClientClosed
from slipway.client._flow import AsyncTransport, SyncTransport
from slipway.client._options import KeepAlive, RetryPolicy, seconds
from slipway.client._request_headers import Token
from slipway.client._tls import Tls
from slipway.client._transports.connection_settings import connection_settings

__all__ = ["Client", "Session"]

TransportT = TypeVar("TransportT", SyncTransport, AsyncTransport)

_DEFAULT_KEEPALIVE = KeepAlive()
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Session(Generic[TransportT]):
    """The state of a client in one process (for asyncio, in one event loop)."""

    core: Core
    transport: TransportT
    loop: asyncio.AbstractEventLoop | None = None


class Client(Generic[TransportT]):
    """Validated options, and one session per process.

    A forked child has no session under its process id and opens a new one. The parent's session stays in the
    dictionary and is never collected: closing it would use gRPC state that is invalid after a fork.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str,
        version: int | None = None,
        timeout_s: float | None = 5.0,
        retry: RetryPolicy | None = None,
        tls: Tls | None = None,
        token: Token | None = None,
        headers: Mapping[str, str] | None = None,
        authority: str | None = None,
        keepalive: KeepAlive | None = _DEFAULT_KEEPALIVE,
        max_connections: int = 100,
        max_contract_age_s: float | None = 30.0,
        max_batch_size: int = 1,
    ) -> None:
        self._address: Address = parse_address(url)
        self._model = _checked_model(model)
        self._version = "" if version is None else str(_positive_integer("version", version))
        self._timeout_s = seconds("timeout_s", timeout_s)
        self._retry = retry or RetryPolicy()
        self._max_contract_age_s = seconds("max_contract_age_s", max_contract_age_s)
        self._max_batch_size = _positive_integer("max_batch_size", max_batch_size)
        if tls is not None and not self._address.secure:
            raise ValueError(f"tls: expected with grpcs:// or https:// only, got {url}")
        self._settings = connection_settings(
            tls=tls,
            token=token,
            headers=headers,
            authority=authority,
            keepalive=keepalive,
            max_connections=_positive_integer("max_connections", max_connections),
        )
        self._sessions: dict[int, Session[TransportT]] = {}
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address.url!r}, model={self._model!r})"

    @property
    def url(self) -> str:
        """The server's URL, as given."""
        return self._address.url

    @property
    def timeout_s(self) -> float:
        """Default limit for a whole call, in seconds; `math.inf`: no limit."""
        return self._timeout_s

    def _new_core(self, event: Callable[[], Any]) -> Core:
        return Core(
            self._address.url,
            model=self._model,
            version=self._version,
            retry=self._retry,
            event=event,
            max_age_s=self._max_contract_age_s,
            max_batch_size=self._max_batch_size,
        )

    def _timeout(self, timeout_s: float | None) -> float:
        return self._timeout_s if timeout_s is None else seconds("timeout_s", timeout_s)

    def _end_session(self) -> Session[TransportT] | None:
        self._closed = True
        return self._sessions.pop(os.getpid(), None)

    def _session_of_process(self) -> Session[TransportT] | None:
        if self._closed:
            raise ClientClosed(f"{self!r} was closed; make a new one")
        return self._sessions.get(os.getpid())


def _checked_model(model: str) -> str:
    if not isinstance(model, str) or not model.isprintable() or not 0 < len(model) <= _LONGEST_NAME:
        raise ValueError(f"model: expected the name of a model, got {model!r:.100}")
    return model


def _positive_integer(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: expected a number >= 1, got {value!r:.100}")
    return value
