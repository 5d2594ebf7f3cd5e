"""`Classifier` and `AsyncClassifier`: the same calls, carried out in a thread or in an event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from types import TracebackType
from typing import Self

from slipway.client._client import Client, Session
from slipway.client._conversion import Fit, chosen
from slipway.client._errors import ClientClosed
from slipway.client._flow import AsyncTransport, SyncTransport, run, run_async
from slipway.client._images import ImagesInput
from slipway.client._options import seconds
from slipway.client._prediction import Prediction
from slipway.client._transports.grpc_transport import AsyncGrpcTransport, GrpcTransport
from slipway.client._transports.http_transport import AsyncHttpTransport, HttpTransport
from slipway.contract import ModelContract

__all__ = ["AsyncClassifier", "Classifier"]


class Classifier(Client[SyncTransport]):
    """An image classifier behind a server of the V2 protocol, such as Triton. Thread-safe and fork-safe.

        with Classifier("grpc://localhost:8001", model="mnist") as classifier:
            classifier.predict("three.png").labels      # ("3",)

    Nothing is connected before the first call. A client may be made before a fork and used on both sides of it; fork
    while no call is under way in another thread, for gRPC supports no other.

    Args:
        url: `grpc://host:port`, `http://host:port`, or `grpcs://` and `https://` for TLS. gRPC spreads its calls over
            all addresses that the host's name has.
        model: The model's name on the server.
        version: One version of it; None: the server's choice, by default its newest.
        timeout_s: Longest time for a whole call with its chunks, retries and pauses, in seconds; any call can set its
            own. None or `math.inf`: no limit.
        retry: How failed tries are repeated; None: the policy's defaults.
        tls: Certificates, for the secure protocols; None: the public authorities.
        token: A bearer token, or a function that returns the current one.
        headers: Further headers (gRPC: metadata) of each request, for a gateway.
        authority: `host` or `host:port` under which a gateway knows the server: HTTP's Host, gRPC's :authority, and
            the name that a certificate must carry; None: that of the URL.
        keepalive: gRPC: how a dead connection is found; None: not at all.
        max_connections: HTTP: most connections at once; further calls wait for one.
        max_contract_age_s: After so long the model's labels and shapes are read again, in seconds; they are also read
            again whenever another connection is opened. None: only then.
        max_batch_size: Most images in one request to a server that does not say (any V2 server but Triton).

    Raises:
        InvalidAddress: The URL has another shape.
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
        """Classify images; more than the model takes at once are sent in several requests, in order.

        Args:
            images: A uint8 array (h, w, c), (n, h, w, c), or without c where the model has one channel; a Pillow image;
                the path of an image file, its bytes, or the open file; or a sequence of single images. Arrays are
                never cast or resized. Pictures are turned as their EXIF data say, converted to the model's channels
                and resized (Lanczos).
            invert: Replace each value by 255 - value, for dark digits on white paper.
            fit: What happens to a picture of other proportions than the model's: "stretch"; "pad", which keeps it
                whole between bars of its border's colour; or "crop". None: stretched, with a warning.
            frame: Which one of several pictures in a file (animation, pages), from 0; None: such a file is refused.
            timeout_s: Instead of the client's own, which None stands for; `math.inf`: no limit.

        Raises:
            InvalidImage: Before anything is sent; says expected and got.
            ValueError: An option is out of its range.
            ClientError: Each of its kinds says what happened and carries every try, see `slipway.client`.
        """
        conversion = chosen(invert=invert, fit=fit, frame=frame)
        session = self._session()
        return run(session.core.predict(images, conversion, timeout_s=self._timeout(timeout_s)), session.transport)

    def contract(self, *, timeout_s: float | None = None) -> ModelContract:
        """Return what the model takes and gives; asks the server at first, and from time to time."""
        session = self._session()
        return run(session.core.contract(timeout_s=self._timeout(timeout_s)), session.transport)

    def wait_ready(self, timeout_s: float | None = 60.0) -> None:
        """Return when the model answers, or say why it does not.

        Args:
            timeout_s: Longest wait, in seconds; None or `math.inf`: no limit.

        Raises:
            ModelNotFound: At once: a running server has no such model.
            ModelLoadFailed: At once: the server could not load it; says why.
            ModelNotReady: It was still not loaded after `timeout_s`.
            ServerUnavailable: Nobody answered for `timeout_s`.
            ClientError: Another reason, such as a refused token.
        """
        session = self._session()
        run(session.core.wait_ready(timeout_s=seconds("timeout_s", timeout_s)), session.transport)

    def close(self) -> None:
        """Give the connections back. May be repeated.

        Calls under way in other threads end with ClientClosed: at once, or while a connection is being opened no later
        than their timeout.
        """
        self._closed = True
        session = self._sessions.pop(os.getpid(), None)
        if session is not None:
            session.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _session(self) -> Session[SyncTransport]:
        self._refuse_if_closed()
        pid = os.getpid()
        session = self._sessions.get(pid)
        if session is None:
            opened = GrpcTransport if self._address.protocol == "grpc" else HttpTransport
            transport = opened(self._address, self._settings)
            # Two threads may come here at once; `setdefault` is atomic and one of them wins.
            session = self._sessions.setdefault(pid, Session(self._new_core(threading.Event), transport))
            if session.transport is not transport:
                transport.close()
        return session


class AsyncClassifier(Client[AsyncTransport]):
    """`Classifier` for asyncio: the same options, calls and errors. One event loop each.

        async with AsyncClassifier("http://localhost:8000", model="mnist") as classifier:
            (await classifier.predict(images)).labels

    Files are read and pictures converted in the event loop; give arrays where that matters.
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
        conversion = chosen(invert=invert, fit=fit, frame=frame)
        session = self._session()
        steps = session.core.predict(images, conversion, timeout_s=self._timeout(timeout_s))
        return await run_async(steps, session.transport)

    async def contract(self, *, timeout_s: float | None = None) -> ModelContract:
        """See `Classifier.contract`."""
        session = self._session()
        return await run_async(session.core.contract(timeout_s=self._timeout(timeout_s)), session.transport)

    async def wait_ready(self, timeout_s: float | None = 60.0) -> None:
        """See `Classifier.wait_ready`."""
        session = self._session()
        await run_async(session.core.wait_ready(timeout_s=seconds("timeout_s", timeout_s)), session.transport)

    async def close(self) -> None:
        """See `Classifier.close`."""
        self._closed = True
        session = self._sessions.pop(os.getpid(), None)
        if session is not None:
            await session.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _session(self) -> Session[AsyncTransport]:
        self._refuse_if_closed()
        pid, loop = os.getpid(), asyncio.get_running_loop()
        session = self._sessions.get(pid)
        if session is None:
            opened = AsyncGrpcTransport if self._address.protocol == "grpc" else AsyncHttpTransport
            transport = opened(self._address, self._settings)
            session = self._sessions[pid] = Session(self._new_core(asyncio.Event), transport, loop)
        if session.loop is not loop:
            raise ClientClosed(f"{self!r} belongs to another event loop; make one client in each loop")
        return session
