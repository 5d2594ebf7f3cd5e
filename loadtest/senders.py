"""Send prepared requests and say what became of them, with as little as possible around the wire.

    sender = open_sender(target, requests)
    sender.send(17, timeout_s=2.0, check=True)     # None, or the kind of error

gRPC: the raw stub of grpcio, bytes in and bytes out. HTTP: geventhttpclient, the client inside Locust's FastHttpUser.
To be used in gevent, after `grpc.experimental.gevent.init_gevent()`.
"""

from __future__ import annotations

import itertools
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import gevent
import grpc
import httpx
import numpy as np
from geventhttpclient import HTTPClient
from geventhttpclient.header import Headers
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from loadtest.errors import TargetError
from loadtest.payload import Question
from loadtest.scenario import TargetSettings
from slipway.client.wire import (
    GRPC_INFER,
    Address,
    Fault,
    HttpRequest,
    Infer,
    Inferred,
    grpc_answer,
    grpc_fault,
    grpc_request,
    http_answer,
    http_request,
    parse_address,
)

__all__ = ["WRONG_ANSWER", "GrpcSender", "HttpSender", "Request", "Sender", "prepare", "token"]

WRONG_ANSWER = "wrong answer"
_ALL_BYTES = -1  # of a message: no limit


@dataclass(frozen=True, slots=True)
class Request:
    """One question, written once for the wire."""

    infer: Infer
    question: Question
    content: bytes | HttpRequest


class Sender(Protocol):
    """One connection of one user."""

    def send(self, request: Request, *, timeout_s: float, check: bool) -> str | None:
        """Send and wait; None when it was answered (and, with `check`, answered rightly), else the kind of error."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


def prepare(target: TargetSettings, questions: Sequence[Question]) -> tuple[Request, ...]:
    """Write every question for the target's protocol."""
    version = "" if target.version is None else str(target.version)
    infers = [Infer(target.model, version, question.images) for question in questions]
    write = grpc_request if parse_address(target.url).protocol == "grpc" else http_request
    return tuple(
        Request(infer, question, write(infer, timeout_s=target.timeout_s))
        for infer, question in zip(infers, questions, strict=True)
    )


def token(target: TargetSettings) -> str | None:
    """The bearer token, out of the environment.

    Raises:
        TargetError: The variable is not set.
    """
    if target.token_env is None:
        return None
    if target.token_env not in os.environ:
        raise TargetError(f"target.token_env: expected a token in the variable {target.token_env}, it is not set")
    return os.environ[target.token_env].strip()


class GrpcSender:
    """Users share a few connections: one carries many calls at once, and one per user would be another load."""

    def __init__(self, call: grpc.UnaryUnaryMultiCallable, metadata: tuple[tuple[str, str], ...]) -> None:
        self._call = call
        self._metadata = metadata

    @classmethod
    def channels(cls, target: TargetSettings, connections: int) -> itertools.cycle[grpc.UnaryUnaryMultiCallable]:
        """Open connections, and hand them out in turns for ever."""
        options = [
            ("grpc.use_local_subchannel_pool", 1),  # else channels to one address share one connection
            ("grpc.max_receive_message_length", _ALL_BYTES),
            ("grpc.max_send_message_length", _ALL_BYTES),
        ]
        address = parse_address(target.url)
        if address.secure:
            roots = Path(target.ca_file).read_bytes() if target.ca_file else None
            credentials = grpc.ssl_channel_credentials(roots)
            opened = [grpc.secure_channel(address.target, credentials, options) for _ in range(connections)]
        else:
            opened = [grpc.insecure_channel(address.target, options) for _ in range(connections)]
        return itertools.cycle([channel.unary_unary(GRPC_INFER) for channel in opened])

    @classmethod
    def metadata(cls, target: TargetSettings) -> tuple[tuple[str, str], ...]:
        """What each call says of the caller."""
        bearer = token(target)
        return () if bearer is None else (("authorization", f"Bearer {bearer}"),)

    def send(self, request: Request, *, timeout_s: float, check: bool) -> str | None:
        """See `Sender`."""
        try:
            content = self._call(request.content, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as exc:
            return _kind(grpc_fault(exc))
        return _judge(request, grpc_answer(request.infer, content)) if check else None

    def close(self) -> None:
        """Nothing: the connections are shared."""


class HttpSender:
    """Each user has a connection of its own, kept open."""

    def __init__(self, target: TargetSettings) -> None:
        address: Address = parse_address(target.url)
        bearer = token(target)
        self._open = partial(
            HTTPClient.from_url,
            address.target,
            headers=Headers() if bearer is None else Headers({"Authorization": f"Bearer {bearer}"}),
            concurrency=1,
            connection_timeout=target.timeout_s,
            network_timeout=target.timeout_s,
            ssl_context_factory=lambda: ssl.create_default_context(cafile=target.ca_file),
        )
        self._client = self._open()
        self._prefix = address.target.partition("://")[2].partition("/")[2]

    def send(self, request: Request, *, timeout_s: float, check: bool) -> str | None:
        """See `Sender`."""
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
            self._client.close()  # the late answer must not be taken for the next one's
            self._client = self._open()  # a client that was closed stays closed
            return "deadline"
        except TimeoutError:
            return "deadline"
        except (OSError, HTTPConnectionClosed, HTTPParseError) as exc:
            return f"connection: {getattr(exc, 'strerror', None) or type(exc).__name__}"
        finally:
            timeout.close()
        if check or response.status_code != 200:
            headers = httpx.Headers(list(response.headers))
            return _judge(request, http_answer(request.infer, response.status_code, headers, body))
        return None

    def close(self) -> None:
        """See `Sender`."""
        self._client.close()


def _judge(request: Request, answer: Inferred | Fault) -> str | None:
    if isinstance(answer, Fault):
        return _kind(answer)
    right = np.array_equal(answer.probabilities.argmax(axis=1), request.question.labels)
    return None if right else WRONG_ANSWER


def _kind(fault: Fault) -> str:
    """Few different words for many different texts: errors are counted by them."""
    name = fault.kind.name.lower().replace("_", " ")
    return f"{name} ({fault.status})" if fault.status and fault.status != "DEADLINE_EXCEEDED" else name
