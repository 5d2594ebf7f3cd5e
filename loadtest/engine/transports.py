"""Worker: sends prepared requests and says what became of them, with as little as possible around the wire.

    new_sender = HttpLoadTransport.opener(target)
    new_sender().send(request, timeout_s=2.0, check=True)     # None, or the kind of error

gRPC: the raw stub of grpcio, bytes in and bytes out. HTTP: geventhttpclient, the client inside Locust's FastHttpUser.
For use with gevent, after `grpc.experimental.gevent.init_gevent()`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import gevent
import grpc
import httpx
import numpy as np
from geventhttpclient import HTTPClient
from geventhttpclient.header import Headers
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from loadtest.engine.target import connection_settings_for
from loadtest.scenario.payload import ImageBatch
from loadtest.scenario.schema import TargetSettings
from slipway.client import Tls
from slipway.client.wire import (
    GRPC_INFER,
    HttpRequest,
    Infer,
    InferResult,
    TransportFailure,
    grpc_channel,
    grpc_failure,
    grpc_request,
    grpc_response,
    http_request,
    http_response,
    parse_address,
    proxy_for,
)
from slipway.printable import printable

__all__ = ["WRONG_ANSWER", "GrpcLoadTransport", "HttpLoadTransport", "LoadTransport", "PreparedRequest", "prepare"]

WRONG_ANSWER = "wrong answer"


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """One batch, serialised once."""

    infer: Infer
    batch: ImageBatch
    content: bytes | HttpRequest


class LoadTransport(Protocol):
    """The connection of one user."""

    def send(self, request: PreparedRequest, *, timeout_s: float, check: bool) -> str | None:
        """Send and wait; None for a response (with `check`, a correct one), otherwise the kind of error."""
        ...

    def close(self) -> None:
        """Close or release the connection."""
        ...


def prepare(target: TargetSettings, batches: Sequence[ImageBatch]) -> tuple[PreparedRequest, ...]:
    """Serialise every batch for the target's protocol."""
    version = "" if target.version is None else str(target.version)
    infers = [Infer(target.model, version, batch.images) for batch in batches]
    write = grpc_request if parse_address(target.url).protocol == "grpc" else http_request
    return tuple(
        PreparedRequest(infer, batch, write(infer, timeout_s=target.timeout_s))
        for infer, batch in zip(infers, batches, strict=True)
    )


class GrpcLoadTransport:
    """Users share a few connections: HTTP/2 multiplexes calls, and one connection per user would be another load."""

    def __init__(self, call: grpc.UnaryUnaryMultiCallable, metadata: tuple[tuple[str, str], ...]) -> None:
        self._call = call
        self._metadata = metadata

    @classmethod
    def opener(cls, target: TargetSettings, connections: int) -> Callable[[], GrpcLoadTransport]:
        """Open the connections; the returned factory assigns them to users in turn."""
        address, settings = parse_address(target.url), connection_settings_for(target)
        metadata = tuple(settings.request_headers.headers().items())
        channels = [grpc_channel(address, settings) for _ in range(connections)]
        calls = itertools.cycle([channel.unary_unary(GRPC_INFER) for channel in channels])
        return lambda: cls(next(calls), metadata)

    def send(self, request: PreparedRequest, *, timeout_s: float, check: bool) -> str | None:
        """See `LoadTransport`."""
        try:
            content = self._call(request.content, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as exc:
            return _kind(grpc_failure(exc))
        return _judge(request, grpc_response(request.infer, content)) if check else None

    def close(self) -> None:
        """Do nothing: the connections are shared."""


class HttpLoadTransport:
    """Each user has its own persistent connection."""

    def __init__(self, connect: Callable[[], HTTPClient], prefix: str) -> None:
        self._open = connect
        self._client = connect()
        self._prefix = prefix

    @classmethod
    def opener(cls, target: TargetSettings) -> Callable[[], HttpLoadTransport]:
        """Read certificates and headers once; the returned factory opens a connection per user."""
        address, settings = parse_address(target.url), connection_settings_for(target)
        proxy = proxy_for(address)
        headers = {"Accept-Encoding": "identity", **settings.request_headers.headers()}
        if settings.authority is not None:
            headers["Host"] = settings.authority
        context = (settings.tls or Tls()).context() if address.secure else None
        connect = partial(
            HTTPClient.from_url,
            address.target,
            headers=Headers(headers),
            concurrency=1,
            connection_timeout=target.timeout_s,
            network_timeout=target.timeout_s,
            ssl_options={"server_hostname": settings.server_name or address.host},
            # It would add public certificate authorities to those of the context.
            ssl_context_factory=lambda cafile: context,  # noqa: ARG005
            proxy_host=None if proxy is None else proxy.host,
            proxy_port=None if proxy is None else proxy.port,
            proxy_user=None if proxy is None else proxy.user or None,
            proxy_password=None if proxy is None else proxy.password or None,
        )
        prefix = address.target.partition("://")[2].partition("/")[2]
        return lambda: cls(connect, prefix)

    def send(self, request: PreparedRequest, *, timeout_s: float, check: bool) -> str | None:
        """See `LoadTransport`."""
        message = request.content
        assert isinstance(message, HttpRequest)  # noqa: S101 - `prepare` wrote it for this protocol
        path = f"/{self._prefix}{message.path}" if self._prefix else message.path
        timeout = gevent.Timeout.start_new(timeout_s)
        try:
            response = self._client.request(message.method, path, body=message.content, headers=message.headers)
            body = bytes(response.read())
        except gevent.Timeout as exc:
            if exc is not timeout:
                raise
            self._client.close()  # the late response must not be read as the next one's
            self._client = self._open()  # a closed client cannot be reused
            return "deadline"
        except TimeoutError:
            return "deadline"
        except (OSError, HTTPConnectionClosed, HTTPParseError, RuntimeError) as exc:  # RuntimeError: the proxy refused
            return f"connection: {_words(exc)}"
        finally:
            timeout.close()
        if check or response.status_code != 200:
            headers = httpx.Headers(list(response.headers))
            return _judge(request, http_response(request.infer, response.status_code, headers, body))
        return None

    def close(self) -> None:
        """See `LoadTransport`."""
        self._client.close()


def _words(exc: Exception) -> str:
    """Message of a failed connection, without its address, since errors are counted by message."""
    words = getattr(exc, "strerror", None) or (str(exc) if isinstance(exc, RuntimeError) else None)
    return printable(words or type(exc).__name__, limit=100)


def _judge(request: PreparedRequest, answer: InferResult | TransportFailure) -> str | None:
    if isinstance(answer, TransportFailure):
        return _kind(answer)
    right = np.array_equal(answer.probabilities.argmax(axis=1), request.batch.labels)
    return None if right else WRONG_ANSWER


def _kind(failure: TransportFailure) -> str:
    """A short kind for many different messages: errors are counted by kind."""
    name = failure.kind.name.lower().replace("_", " ")
    return f"{name} ({failure.status})" if failure.status and failure.status != "DEADLINE_EXCEEDED" else name
