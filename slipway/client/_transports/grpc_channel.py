"""A gRPC channel with everything that a client of ours has: whom it trusts, through which proxy, how it stays alive."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import grpc

from slipway.client._address import Address
from slipway.client._options import KeepAlive
from slipway.client._tls import grpc_certificates
from slipway.client._transports.connection_settings import ConnectionSettings
from slipway.client._transports.grpc_sockets import OPTIONS
from slipway.client._transports.proxies import proxy_for

__all__ = ["open_channel"]

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


def open_channel(flavour: ModuleType, address: Address, settings: ConnectionSettings, *, watched: bool = False) -> Any:  # noqa: ANN401 - grpc ships no types
    """Open a channel of `grpc` or `grpc.aio`, with everything that a client of ours has; `watched` is for `Sockets`."""
    options = [*_OPTIONS, *_keepalive(settings.keepalive), *(OPTIONS if watched else ())]
    proxy = proxy_for(address)
    options.append(("grpc.enable_http_proxy", 0 if proxy is None else 1))
    if proxy is not None:
        options.append(("grpc.http_proxy", proxy.url))
    if settings.authority is not None:
        options.append(("grpc.default_authority", settings.authority))
    if not address.secure:
        return flavour.insecure_channel(address.target, options=options)
    credentials = grpc.ssl_channel_credentials(*grpc_certificates(settings.tls))
    return flavour.secure_channel(address.target, credentials, options=options)


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
