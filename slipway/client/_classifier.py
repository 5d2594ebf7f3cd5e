"""`Classifier` and `AsyncClassifier`: the same calls, blocking or asyncio."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import suppress
from typing import Self, TypeVar

from slipway.client._client import Client, Session
from slipway.client._conversion import Fit, conversion_of
from slipway.client._errors import ClientClosed
from slipway.client._flow import AsyncTransport, Explain, Flow, Send, Sleep, SyncTransport
from slipway.client._options import NO_LIMIT_S, limited, seconds
from slipway.client._prediction import Prediction
from slipway.client._readiness import wait_ready
from slipway.client._tensors import ImagesInput
from slipway.client._transport_failures import TransportFailure
from slipway.client._transports.grpc_transport import AsyncGrpcTransport, GrpcTransport
from slipway.client._transports.http_transport import AsyncHttpTransport, HttpTransport
from slipway.contract import ModelContract

__all__ = ["AsyncClassifier", "Classifier"]

T = TypeVar("T")


class Classifier(Client[SyncTransport]):
    """An image classifier behind a server of the V2 protocol, such as Triton. Thread-safe and fork-safe.

        with Classifier("grpc://localhost:8001", model="mnist") as classifier:
            classifier.predict("three.png").labels      # ("3",)

    The first call opens the first connection. A client may be used in both processes after a fork; do not fork while
    another thread is in a call, which gRPC does not support.

    Args:
        url: `grpc://host:port`, `http://host:port`, or `grpcs://` and `https://` for TLS. gRPC distributes its calls
            over all addresses of the host name.
        model: The model's name on the server.
        version: Version of the model; None: the server's choice, by default the newest.
        timeout_s: Limit for a whole call, retries and pauses included, in seconds; each call can override it.
            None or `math.inf`: no limit.
        retry: Retry policy; None: the defaults.
        tls: Certificates, for the secure protocols; None: the public certificate authorities.
        token: A bearer token, or a function that returns the current one.
        headers: Further headers (gRPC: metadata) of each request, for a gateway.
        authority: `host` or `host:port` that is sent as HTTP's Host or gRPC's :authority, and that the
            certificate must match; None: the host of the URL.
        keepalive: gRPC: detection of dead connections; None: off.
        max_connections: HTTP: maximum number of connections; further calls wait.
        max_contract_age_s: Labels and shapes older than this are read again, in seconds; a new connection also causes
            a read. None: only a new connection does.
        max_batch_size: Images per request to a server that does not report its limit (any V2 server but Triton).

    Raises:
        InvalidAddress: The URL is invalid.
        ValueError: An option is out of its range.
        TypeError: A token or headers are of another type.
    """

    def predict(
        self,
        images: ImagesInput,
        *,
        invert: bool = False,
        fit: Fit | None = None,
        frame: int | None = None,
        timeout_s: float | None = None,
    ) -> Prediction:
        """Classify images; a batch above the model's limit is sent in several requests, in order.

        Args:
            images: A uint8 array (h, w, c), (n, h, w, c), or without c where the model has one channel; a Pillow image;
                the path of an image file, its bytes, or the open file; or a sequence of single images. Arrays are
                never cast or resized. Pictures are rotated by their EXIF orientation, converted to the model's
                channels and resized (Lanczos).
            invert: Replace each value by 255 - value, for dark digits on white paper.
            fit: How a picture of other proportions is resized: "stretch"; "pad", with its border colour; or "crop".
                None: stretched, with a warning.
            frame: Index of the frame in a file with several (animation, pages), from 0; None: such a file is rejected.
            timeout_s: Overrides the client's limit; None: the client's; `math.inf`: no limit.

        Raises:
            InvalidImage: Nothing was sent; the message says expected and got.
            ValueError: An option is out of its range.
            ClientError: The request failed; carries every attempt, see `slipway.client`.
        """
        conversion = conversion_of(invert=invert, fit=fit, frame=frame)
        session = self._session()
        return _run(session.core.predict(images, conversion, timeout_s=self._timeout(timeout_s)), session.transport)

    def contract(self, *, timeout_s: float | None = None) -> ModelContract:
        """Return the model's input signature and labels, from the cache or from the server."""
        session = self._session()
        return _run(session.core.contract(timeout_s=self._timeout(timeout_s)), session.transport)

    def wait_ready(self, timeout_s: float | None = 60.0) -> None:
        """Wait until the model is ready.

        Args:
            timeout_s: Longest wait, in seconds; None or `math.inf`: no limit.

        Raises:
            ModelNotFound: Immediately: the server has no such model.
            ModelLoadFailed: Immediately: the server could not load it; carries the reason.
            ModelNotReady: Not loaded within `timeout_s`.
            ServerUnavailable: Connection failed until `timeout_s`.
            ClientError: Another reason, such as an invalid token.
        """
        session = self._session()
        _run(wait_ready(session.core.target, timeout_s=seconds("timeout_s", timeout_s)), session.transport)

    def close(self) -> None:
        """Close the connections. Idempotent.

        Calls in progress in other threads raise ClientClosed: immediately, or, while a connection is being opened,
        within their timeout.
        """
        session = self._end_session()
        if session is not None:
            session.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _session(self) -> Session[SyncTransport]:
        session = self._session_of_process()
        if session is None:
            transport_type = GrpcTransport if self._address.protocol == "grpc" else HttpTransport
            transport = transport_type(self._address, self._settings)
            # Two threads may race here; `setdefault` is atomic, so one of them wins.
            session = self._sessions.setdefault(os.getpid(), Session(self._new_core(threading.Event), transport))
            if session.transport is not transport:
                transport.close()
        return session


class AsyncClassifier(Client[AsyncTransport]):
    """`Classifier` for asyncio: the same options, calls and errors. One event loop each.

        async with AsyncClassifier("http://localhost:8000", model="mnist") as classifier:
            (await classifier.predict(images)).labels

    Files are read and pictures converted in the event loop; pass arrays to avoid that.
    """

    async def predict(
        self,
        images: ImagesInput,
        *,
        invert: bool = False,
        fit: Fit | None = None,
        frame: int | None = None,
        timeout_s: float | None = None,
    ) -> Prediction:
        """See `Classifier.predict`."""
        conversion = conversion_of(invert=invert, fit=fit, frame=frame)
        session = self._session()
        flow = session.core.predict(images, conversion, timeout_s=self._timeout(timeout_s))
        return await _run_async(flow, session.transport)

    async def contract(self, *, timeout_s: float | None = None) -> ModelContract:
        """See `Classifier.contract`."""
        session = self._session()
        return await _run_async(session.core.contract(timeout_s=self._timeout(timeout_s)), session.transport)

    async def wait_ready(self, timeout_s: float | None = 60.0) -> None:
        """See `Classifier.wait_ready`."""
        session = self._session()
        await _run_async(wait_ready(session.core.target, timeout_s=seconds("timeout_s", timeout_s)), session.transport)

    async def close(self) -> None:
        """See `Classifier.close`."""
        session = self._end_session()
        if session is not None:
            await session.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _session(self) -> Session[AsyncTransport]:
        session, loop = self._session_of_process(), asyncio.get_running_loop()
        if session is None:
            transport_type = AsyncGrpcTransport if self._address.protocol == "grpc" else AsyncHttpTransport
            transport = transport_type(self._address, self._settings)
            session = self._sessions[os.getpid()] = Session(self._new_core(asyncio.Event), transport, loop)
        if session.loop is not loop:
            raise ClientClosed(f"{self!r} belongs to another event loop; make one client in each loop")
        return session


def _run(flow: Flow[T], transport: SyncTransport) -> T:
    """Execute a call in this thread."""
    reply: object = None
    try:
        while True:
            action = flow.send(reply)
            reply = None
            if isinstance(action, Send):
                reply = transport.send(action.operation, action.timeout_s)
            elif isinstance(action, Explain):
                reply = transport.explain(action.failure, action.timeout_s)
            elif isinstance(action, Sleep):
                time.sleep(action.seconds)
            else:
                action.signal.wait(min(action.timeout_s, NO_LIMIT_S))
            if isinstance(reply, TransportFailure):
                reply = transport.conceal(reply)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:  # an interrupted call wakes the calls that wait for it
        flow.close()


async def _run_async(flow: Flow[T], transport: AsyncTransport) -> T:
    """Execute a call in the running event loop."""
    reply: object = None
    try:
        while True:
            action = flow.send(reply)
            reply = None
            if isinstance(action, Send):
                reply = await transport.send(action.operation, action.timeout_s)
            elif isinstance(action, Explain):
                reply = await transport.explain(action.failure, action.timeout_s)
            elif isinstance(action, Sleep):
                await asyncio.sleep(action.seconds)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(limited(action.timeout_s)):
                        await action.signal.wait()
            if isinstance(reply, TransportFailure):
                reply = transport.conceal(reply)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        flow.close()
