"""gRPC, blocking and asyncio: one channel each, and the one place where its exceptions are caught."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
from tritonclient.grpc import service_pb2_grpc as rpc

from slipway.client._address import Address
from slipway.client._faults import Fault, closed
from slipway.client._grpc_codec import CALLS, fault
from slipway.client._options import Tls, Token, bearer
from slipway.client._questions import Question

__all__ = ["AsyncGrpcTransport", "GrpcTransport"]

A = TypeVar("A")

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
    # An answer may be larger than 4 MB.
    ("grpc.max_receive_message_length", -1),
)


class GrpcTransport:
    """Blocking; one HTTP/2 connection per server address, shared by all threads."""

    def __init__(self, address: Address, *, tls: Tls | None, token: Token | None) -> None:
        self._channel = _open(grpc, address, tls)
        self._stub = rpc.GRPCInferenceServiceStub(self._channel)
        self._token = token
        self._closed = False

    def send(self, question: Question[A], timeout_s: float) -> A | Fault:
        """See `SyncTransport`."""
        call = CALLS[type(question)]
        request, metadata = call.encode(question, timeout_s), _metadata(self._token)
        try:
            response = getattr(self._stub, call.method)(request, timeout=timeout_s, metadata=metadata)
        except (grpc.RpcError, ValueError) as exc:  # ValueError: the channel is closed
            if self._closed:
                return closed(exc)
            if not isinstance(exc, grpc.RpcError):
                raise
            return fault(exc)
        return cast("A | Fault", call.decode(question, response))

    def close(self) -> None:
        """See `SyncTransport`."""
        self._closed = True
        self._channel.close()


class AsyncGrpcTransport:
    """For the event loop that is running when it is made."""

    def __init__(self, address: Address, *, tls: Tls | None, token: Token | None) -> None:
        self._channel = _open(grpc.aio, address, tls)
        self._stub = rpc.GRPCInferenceServiceStub(self._channel)
        self._token = token
        self._closed = False

    async def send(self, question: Question[A], timeout_s: float) -> A | Fault:
        """See `AsyncTransport`."""
        call = CALLS[type(question)]
        request, metadata = call.encode(question, timeout_s), _metadata(self._token)
        try:
            response = await getattr(self._stub, call.method)(request, timeout=timeout_s, metadata=metadata)
        except (grpc.RpcError, grpc.aio.UsageError, asyncio.CancelledError) as exc:
            if self._closed:
                return closed(exc)
            if not isinstance(exc, grpc.RpcError):  # the caller's own task was cancelled
                raise
            return fault(exc)
        return cast("A | Fault", call.decode(question, response))

    async def close(self) -> None:
        """See `AsyncTransport`."""
        self._closed = True
        await self._channel.close()


def _open(flavour: ModuleType, address: Address, tls: Tls | None) -> Any:  # noqa: ANN401 - grpc ships no types
    options = (*_OPTIONS, ("grpc.enable_http_proxy", 0 if address.local else 1))
    if not address.secure:
        return flavour.insecure_channel(address.target, options=options)
    trust = tls or Tls()
    files = (trust.ca_file, trust.key_file, trust.certificate_file)
    credentials = grpc.ssl_channel_credentials(*(file.read_bytes() if file else None for file in files))
    return flavour.secure_channel(address.target, credentials, options=options)


def _metadata(token: Token | None) -> tuple[tuple[str, str], ...] | None:
    if token is None:
        return None
    return (("authorization", bearer(token)),)
