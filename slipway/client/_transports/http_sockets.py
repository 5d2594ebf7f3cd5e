"""TCP for blocking calls that end with their deadline, whatever the other side does.

A library's time-out bounds one read; a server that sends a byte now and then passes each of them and keeps the caller
for ever. So a call's `Deadline` travels in place of its time-outs, and each operation takes the time that is left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import selectors
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import httpcore

from slipway.client._options import limited
from slipway.client._retry import Deadline
from slipway.client._transports.resolve import AddressInfo, resolve, show

__all__ = ["DeadlineBackend", "all_failed", "connect", "head_start_s", "translated"]

_HEAD_START_S = 0.25  # of one address before the next is tried beside it: RFC 8305, "Happy Eyeballs"


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens one connection at a time, for `httpcore`; what it calls a time-out is our `Deadline`.

    Attributes:
        connected_ns: `time.monotonic_ns()` before the newest connection was opened.
    """

    def __init__(self) -> None:
        self.connected_ns = 0
        self._socket: socket.socket | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: Any = None,  # noqa: ANN401 - a Deadline
        local_address: str | None = None,  # noqa: ARG002 - the interface is httpcore's
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that answers."""
        self.connected_ns = time.monotonic_ns()
        with translated(httpcore.ConnectTimeout, httpcore.ConnectError):
            self._socket = connect(host, port, timeout)
        return _Stream(self, self._socket)

    def abort(self) -> None:
        """Close the connection from another thread, which wakes its waiters."""
        opened = self._socket
        if opened is not None:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def take(self, opened: socket.socket) -> None:
        """Go on with a connection that TLS has wrapped."""
        self._socket = opened


class _Stream(httpcore.NetworkStream):
    def __init__(self, backend: DeadlineBackend, opened: socket.socket) -> None:
        self._backend = backend
        self._socket = opened

    def read(self, max_bytes: int, timeout: Any = None) -> bytes:  # noqa: ANN401 - a Deadline
        with translated(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(_left_s(timeout))
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: Any = None) -> None:  # noqa: ANN401 - a Deadline
        with translated(httpcore.WriteTimeout, httpcore.WriteError):
            view = memoryview(buffer)
            while view:
                self._socket.settimeout(_left_s(timeout))
                view = view[self._socket.send(view) :]

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: Any = None,  # noqa: ANN401 - a Deadline
    ) -> httpcore.NetworkStream:
        try:
            with translated(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._socket.settimeout(_left_s(timeout))
                self._socket = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except BaseException:
            self.close()
            raise
        self._backend.take(self._socket)
        return self

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the interface is httpcore's
        if info == "is_readable":  # while it is idle: the server has closed it
            return self._socket.fileno() < 0 or _is_readable(self._socket)
        return None


def connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Connect to the first address of a name that answers, within one deadline.

    Addresses are tried side by side, each a moment after the one before: a dead one does not eat the time of the next.

    Raises:
        TimeoutError: None answered in time.
        OSError: All refused; says it of each where they differ.
    """
    return _Race(resolve(host, port, deadline), deadline).run()


class _Race:
    """Concurrent connection attempts to several addresses, of which one is kept."""

    def __init__(self, addresses: Sequence[AddressInfo], deadline: Deadline) -> None:
        self._waiting = list(addresses)
        self._deadline = deadline
        self._failures: dict[str, str] = {}

    def run(self) -> socket.socket:
        pause_s = head_start_s(len(self._waiting), self._deadline)
        with selectors.DefaultSelector() as selector:
            try:
                while self._waiting or selector.get_map():
                    self._start_next(selector)
                    if not selector.get_map():
                        continue
                    ready = selector.select(pause_s if self._waiting else _left_s(self._deadline))
                    won = [opened for opened in map(self._outcome, ready) if opened is not None][:1]
                    for key, _ in ready:
                        selector.unregister(key.fileobj)
                        if key.fileobj not in won:
                            key.data[0].close()
                    if won:
                        won[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        return won[0]
                raise all_failed(self._failures)
            finally:
                for key in list(selector.get_map().values()):
                    key.data[0].close()

    def _start_next(self, selector: selectors.BaseSelector) -> None:
        if not self._waiting:
            return
        family, kind, protocol, _, where = self._waiting.pop(0)
        try:
            opened = socket.socket(family, kind, protocol)
        except OSError as exc:  # no IPv6 on this machine, perhaps
            self._failures[show(where)] = exc.strerror or str(exc)
            return
        opened.setblocking(False)
        code = opened.connect_ex(where)
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            opened.close()
            self._failures[show(where)] = os.strerror(code)
            return
        selector.register(opened, selectors.EVENT_WRITE, data=(opened, where))

    def _outcome(self, ready: tuple[selectors.SelectorKey, int]) -> socket.socket | None:
        opened, where = ready[0].data
        code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            return cast("socket.socket", opened)
        self._failures[show(where)] = os.strerror(code)
        return None


def head_start_s(addresses: int, deadline: Deadline) -> float:
    """How long one address is tried alone before the next is tried beside it, so that all have their turn."""
    return min(_HEAD_START_S, max(0.001, deadline.remaining_s()) / (addresses + 1))


def all_failed(failures: Mapping[str, str]) -> OSError:
    """Say why no address could be used, given the reason by address: of each where they differ."""
    different = set(failures.values())
    if len(different) == 1:
        return OSError(errno.ECONNREFUSED, different.pop())
    return OSError(errno.ECONNREFUSED, ", ".join(f"{address}: {reason}" for address, reason in failures.items()))


def _left_s(deadline: Deadline) -> float | None:
    """What `settimeout` takes.

    Raises:
        TimeoutError: Nothing is left.
    """
    remaining_s = deadline.remaining_s()
    if remaining_s <= 0:
        raise TimeoutError("timed out")
    return limited(remaining_s)


def _is_readable(opened: socket.socket) -> bool:
    poll = select.poll()
    poll.register(opened, select.POLLIN)
    return bool(poll.poll(0))


@contextlib.contextmanager
def translated(timed_out: type[Exception], failed: type[Exception]) -> Iterator[None]:
    """Raise what `httpcore` expects of a network."""
    try:
        yield
    except TimeoutError as exc:
        raise timed_out(str(exc)) from exc
    except ssl.SSLError as exc:
        raise failed(str(exc)) from exc
    except OSError as exc:
        raise failed(exc.strerror or str(exc)) from exc
