"""A gRPC channel as every client opens it: certificates, proxy, keepalive, and the watch over its connection."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import grpc

from slipway.client._address import Address
from slipway.client._operations import Operation, ReadConfig, ReadMetadata
from slipway.client._options import KeepAlive
from slipway.client._tls import grpc_certificates
from slipway.client._transports.connection_settings import ConnectionSettings
from slipway.client._transports.grpc_sockets import OPTIONS, Sockets
from slipway.client._transports.proxies import proxy_for

__all__ = ["WatchedChannel", "open_channel"]

_CONTRACT_READS: tuple[type[Operation[Any]], ...] = (ReadConfig, ReadMetadata)

_LONGEST_MESSAGE_BYTES = (64 << 20) + (1 << 20)  # probabilities of one request, see `_operations`

_OPTIONS: tuple[tuple[str, str | int], ...] = (
    # A name with several addresses (a headless Service) has its calls spread over them.
    ("grpc.lb_policy_name", "round_robin"),
    # Connections are not shared through a pool of the process: a channel opened after a fork would find the
    # parent's socket there.
    ("grpc.use_local_subchannel_pool", 1),
    # Retries are decided in one place, with one budget.
    ("grpc.enable_retries", 0),
    # gRPC's own pause between connection attempts (1 s, then up to 2 minutes) would outlast ours.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Probabilities may be larger than the 4 MB of the default.
    ("grpc.max_receive_message_length", _LONGEST_MESSAGE_BYTES),
)


def open_channel(
    grpc_module: ModuleType, address: Address, settings: ConnectionSettings, *, watched: bool = False
) -> Any:  # noqa: ANN401 - grpc ships no types
    """Open a channel of `grpc` or `grpc.aio`, with all of the client's settings; `watched` is for `Sockets`."""
    options = [*_OPTIONS, *_keepalive(settings.keepalive), *(OPTIONS if watched else ())]
    proxy = proxy_for(address)
    options.append(("grpc.enable_http_proxy", 0 if proxy is None else 1))
    if proxy is not None:
        options.append(("grpc.http_proxy", proxy.url))
    if settings.authority is not None:
        options.append(("grpc.default_authority", settings.authority))
    if not address.secure:
        return grpc_module.insecure_channel(address.target, options=options)
    credentials = grpc.ssl_channel_credentials(*grpc_certificates(settings.tls))
    return grpc_module.secure_channel(address.target, credentials, options=options)


def _keepalive(keepalive: KeepAlive | None) -> list[tuple[str, str | int]]:
    if keepalive is None:
        return []
    return [
        ("grpc.keepalive_time_ms", int(keepalive.interval_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(keepalive.timeout_s * 1000)),
        ("grpc.keepalive_permit_without_calls", 0),
        # The core asks for its own ends too (how wide is the way?), waits a minute, and meanwhile asks no other.
        ("grpc.http2.ping_timeout_ms", int(keepalive.timeout_s * 1000)),
        ("grpc.http2.bdp_probe", 0),
    ]


class WatchedChannel:
    """A channel that counts its calls and knows since when its connection is open.

    Args:
        grpc_module: `grpc` or `grpc.aio`.
        address: The server's.
        settings: The client's.
        methods: The remote procedure of each operation.

    Attributes:
        channel: Of `grpc` or `grpc.aio`.
        calls: By operation: sends a serialised request and returns the serialised response.
        in_flight: Calls that have not ended.
        silent: Calls in a row that had no answer of any kind before their deadlines.
        connected_ns: `time.monotonic_ns()` when its connection was opened, or later.
    """

    def __init__(
        self,
        grpc_module: ModuleType,
        address: Address,
        settings: ConnectionSettings,
        methods: Mapping[type[Operation[Any]], str],
    ) -> None:
        self._sockets = Sockets(lambda: open_channel(grpc_module, address, settings, watched=True))
        self.channel = self._sockets.channel
        self.calls = {operation: self.channel.unary_unary(method) for operation, method in methods.items()}
        self.in_flight = 0
        self.silent = 0
        self.connected_ns = time.monotonic_ns()
        self._changes = 0

    def enter(self, operation: type[Operation[Any]]) -> tuple[int, int | None]:
        """Count a call.

        Returns:
            The time, and the number of changes after which the answer is still that of the server which is there now:
            those so far, or the one that opens the very first connection. None without watching.
        """
        now_ns, expected = time.monotonic_ns(), None
        if operation in _CONTRACT_READS:
            self._look()
            expected = self._changes or 1
        self.in_flight += 1
        return now_ns, expected

    def answered(self, entered: tuple[int, int | None]) -> tuple[int, int]:
        """Return `Response.connected_ns` and `valid_ns`, given what `enter` returned."""
        sent_ns, expected = entered
        self._look()
        is_same = expected is not None and self._changes <= expected
        return self.connected_ns, max(sent_ns, self.connected_ns) if is_same else sent_ns

    def _look(self) -> None:
        if self._sockets.changed():
            self.connected_ns = time.monotonic_ns()
            self._changes += 1

    def leave(self, *, silent: bool) -> None:
        """Count the end of a call."""
        self.in_flight -= 1
        self.silent = self.silent + 1 if silent else 0
