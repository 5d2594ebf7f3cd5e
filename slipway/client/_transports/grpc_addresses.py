"""What each address of a name answers, once none of them could be used: gRPC tells of the last that it tried alone.

failure = Addresses(address, settings).explain(failure, timeout_s=0.5)
failure.text           # "[::1]:8001: Connection refused; 127.0.0.1:8001: CERTIFICATE_VERIFY_FAILED: ..."
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any

import grpc

from slipway.client._address import Address
from slipway.client._operations import IsServerReady
from slipway.client._options import limited
from slipway.client._retry import Deadline
from slipway.client._transport_failures import FailureKind, TransportFailure
from slipway.client._transports.connection_settings import ConnectionSettings
from slipway.client._transports.grpc_channel import open_channel
from slipway.client._transports.grpc_control import CONTROL_CALLS, SERVICE, rpc_failure
from slipway.client._transports.proxies import proxy_for
from slipway.client._transports.resolve import resolve, show

__all__ = ["Addresses"]

_LONGEST_S = 1.0
_MOST = 8  # addresses; more would fill no message that is read
_AGAIN_NS = 1_000_000_000  # calls that fail together, or one after the other, ask once
_SLACK_S = 0.2  # of gRPC, to say that a call is over
_NOT_USABLE = (FailureKind.UNREACHABLE, FailureKind.UNTRUSTED, FailureKind.DRAINING)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What was met at several addresses, in words, and whether one of them was not trusted."""

    text: str
    untrusted: bool


class Addresses:
    """Those of one server; thread-safe.

    Args:
        address: The server's; one that is reached through a proxy, or has one address, is not asked.
        settings: As for the calls that fail.
    """

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        self._address = address
        self._settings = settings
        self._asking = threading.Lock()
        self._asked_ns: int | None = None
        self._found: _Found | None = None

    def explain(self, met: TransportFailure, timeout_s: float) -> TransportFailure:
        """Ask every address at once whether a server is ready there, without token and headers.

        Args:
            met: What a call met.
            timeout_s: Longest time for all of it.

        Returns:
            `met` with each address and what was met there; UNTRUSTED where one of them was. `met` itself where there
            is no more to say, or another call asks at the moment.
        """
        if not self._asking.acquire(blocking=False):
            return met
        try:
            if self._asked_ns is None or time.monotonic_ns() - self._asked_ns > _AGAIN_NS:
                self._found = None
                with suppress(OSError, ValueError):  # the name, a certificate or a proxy that is gone meanwhile
                    self._found = _ask_addresses(self._address, self._settings, Deadline(min(timeout_s, _LONGEST_S)))
                self._asked_ns = time.monotonic_ns()
            found = self._found
        finally:
            self._asking.release()
        if found is None:
            return met
        return replace(met, text=found.text, kind=FailureKind.UNTRUSTED if found.untrusted else met.kind)


def _ask_addresses(address: Address, settings: ConnectionSettings, deadline: Deadline) -> _Found | None:
    """None where a call alone has told as much."""
    if proxy_for(address) is not None:
        return None
    found = resolve(address.host, address.port, deadline)
    places = list(dict.fromkeys(show(info[-1]) for info in found))
    if len(places) < 2:
        return None
    named = replace(settings, authority=settings.authority or address.target)  # the certificate is for the name
    outcomes = _ask([replace(address, target=place) for place in places[:_MOST]], named, deadline)
    if all(outcome is not None and outcome.kind is FailureKind.DEADLINE for outcome in outcomes):
        return None
    untrusted = any(outcome is not None and outcome.kind is FailureKind.UNTRUSTED for outcome in outcomes)
    return _Found(text=_text(places, outcomes), untrusted=untrusted)


def _ask(
    addresses: Sequence[Address], settings: ConnectionSettings, deadline: Deadline
) -> list[TransportFailure | None]:
    """Side by side; None where the server responds."""
    ready = CONTROL_CALLS[IsServerReady]
    with ExitStack() as opened:
        calls = []
        for address in addresses:
            channel = opened.enter_context(open_channel(grpc, address, settings))
            method = channel.unary_unary(f"{SERVICE}/{ready.method}")
            left_s = max(0.001, deadline.remaining_s())
            request = ready.encode(IsServerReady(), left_s).SerializeToString()
            calls.append(method.future(request, timeout=limited(left_s)))
        return [_outcome(call, deadline) for call in calls]


def _outcome(call: Any, deadline: Deadline) -> TransportFailure | None:  # noqa: ANN401 - grpc ships no types
    try:
        error = call.exception(timeout=max(0.0, deadline.remaining_s()) + _SLACK_S)
    except grpc.FutureTimeoutError as exc:
        return TransportFailure(kind=FailureKind.DEADLINE, text="", cause=exc)
    return None if error is None else rpc_failure(error)


def _text(places: Sequence[str], outcomes: Sequence[TransportFailure | None]) -> str:
    """Addresses by what was met there, in the order of the first."""
    by_words: dict[str, list[str]] = {}
    for place, outcome in zip(places, outcomes, strict=False):
        by_words.setdefault(_words(place, outcome), []).append(place)
    more = len(places) - len(outcomes)
    said = [f"{', '.join(there)}: {words}" for words, there in by_words.items()]
    return "; ".join([*said, *([f"{more} more addresses were not tried"] if more else [])])


def _words(place: str, outcome: TransportFailure | None) -> str:
    if outcome is None or outcome.kind not in (*_NOT_USABLE, FailureKind.DEADLINE):
        return "the server responds"
    if outcome.kind is FailureKind.DEADLINE:
        return "no answer in time"
    return outcome.text.removeprefix(f"{place}: ")
