"""Why each address of a name failed, once none of them could be used: gRPC reports only the last that it tried.

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
_MOST = 8  # addresses in a message
_AGAIN_NS = 1_000_000_000  # calls that fail together, or one after the other, share one probe
_SLACK_S = 0.2  # for gRPC to report that a call has ended
_NOT_USABLE = (FailureKind.UNREACHABLE, FailureKind.UNTRUSTED, FailureKind.DRAINING)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explanation:
    """The outcome at each of several addresses, and whether the certificate of one was not trusted."""

    text: str
    untrusted: bool


class Addresses:
    """The addresses of one server; thread-safe.

    Args:
        address: The server's; with a proxy in between, or only one address, none is probed.
        settings: As for the calls that fail.
    """

    def __init__(self, address: Address, settings: ConnectionSettings) -> None:
        self._address = address
        self._settings = settings
        self._probing = threading.Lock()
        self._probed_ns: int | None = None
        self._explanation: _Explanation | None = None

    def explain(self, failure: TransportFailure, timeout_s: float) -> TransportFailure:
        """Probe every address at once for a ready server, without token and headers.

        Args:
            failure: The failure of a call.
            timeout_s: Longest time for all of it.

        Returns:
            `failure` with the outcome at each address; UNTRUSTED where one of them was. `failure` itself where there
            is no more to say, or while another call probes.
        """
        if not self._probing.acquire(blocking=False):
            return failure
        try:
            if self._probed_ns is None or time.monotonic_ns() - self._probed_ns > _AGAIN_NS:
                self._explanation = None
                with suppress(OSError, ValueError):  # the name, certificate or proxy may have changed meanwhile
                    self._explanation = _explain(self._address, self._settings, Deadline(min(timeout_s, _LONGEST_S)))
                self._probed_ns = time.monotonic_ns()
            explanation = self._explanation
        finally:
            self._probing.release()
        if explanation is None:
            return failure
        kind = FailureKind.UNTRUSTED if explanation.untrusted else failure.kind
        return replace(failure, text=explanation.text, kind=kind)


def _explain(address: Address, settings: ConnectionSettings, deadline: Deadline) -> _Explanation | None:
    """None if the call's own failure says the same."""
    if proxy_for(address) is not None:
        return None
    targets = list(dict.fromkeys(show(info[-1]) for info in resolve(address.host, address.port, deadline)))
    if len(targets) < 2:
        return None
    named = replace(settings, authority=settings.authority or address.target)  # the certificate is for the name
    outcomes = _probe([replace(address, target=target) for target in targets[:_MOST]], named, deadline)
    if all(outcome is not None and outcome.kind is FailureKind.DEADLINE for outcome in outcomes):
        return None
    untrusted = any(outcome is not None and outcome.kind is FailureKind.UNTRUSTED for outcome in outcomes)
    return _Explanation(text=_text(targets, outcomes), untrusted=untrusted)


def _probe(
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


def _text(targets: Sequence[str], outcomes: Sequence[TransportFailure | None]) -> str:
    """The addresses by their outcome, in the order of the first."""
    by_reason: dict[str, list[str]] = {}
    for target, outcome in zip(targets, outcomes, strict=False):
        by_reason.setdefault(_reason(target, outcome), []).append(target)
    more = len(targets) - len(outcomes)
    reasons = [f"{', '.join(failed)}: {reason}" for reason, failed in by_reason.items()]
    return "; ".join([*reasons, *([f"{more} more addresses were not tried"] if more else [])])


def _reason(target: str, outcome: TransportFailure | None) -> str:
    if outcome is None or outcome.kind not in (*_NOT_USABLE, FailureKind.DEADLINE):
        return "the server responds"
    if outcome.kind is FailureKind.DEADLINE:
        return "no answer in time"
    return outcome.text.removeprefix(f"{target}: ")
