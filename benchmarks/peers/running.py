"""A contender's server from its start to its end, with all the processes that it makes.

    with RunningServer(command, ports, folder) as server:
        server.wait_right(payload_of_one, decode, expected)
        server.memory_mib()
        server.stop()

Several of these servers leave processes behind when they are told to end. Each process carries a mark in its
environment, so that this one finds them again.
"""

from __future__ import annotations

import http.client
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import psutil

from slipway.errors import SlipwayError
from slipway.platform.processes import ChildProcess

if TYPE_CHECKING:
    from benchmarks.peers.contenders import Command, Ports
    from benchmarks.peers.payloads import HttpFormat

__all__ = ["HOST", "RunningServer", "ServerUnusable", "ask"]

HOST = "127.0.0.1"
_MARK = "SLIPWAY_BENCH_MARK"
_START_TIMEOUT_S = 90
_STOP_TIMEOUT_S = 20
_LEFT_S = 1.0  # what a server that has ended left behind may take for its own end
_POLL_S = 0.005
_TOLERANCE = 1e-4


class ServerUnusable(SlipwayError):
    """A contender does not start, or does not answer as ONNX Runtime does."""


class RunningServer:
    """Started at once; on leaving the block, none of its processes is left."""

    def __init__(self, command: Command, ports: Ports, folder: Path) -> None:
        self.ports = ports
        self.killed = 0
        self._mark = secrets.token_hex(8)
        self._log = folder / "server.log"
        self._started_s = time.monotonic()
        variables = {**os.environ, **command.environment, _MARK: self._mark}
        self._process = ChildProcess(command.words, output=self._log, environment=variables, directory=folder)
        self._known: set[psutil.Process] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._kill_all()

    def wait_right(self, form: HttpFormat, images: np.ndarray, expected: np.ndarray) -> float:
        """Ask until the server gives an answer, which has to be right.

        Returns:
            Seconds since its start.

        Raises:
            ServerUnusable: It ended, answered wrongly, or did not answer in time; with the end of its log.
        """
        while time.monotonic() < self._started_s + _START_TIMEOUT_S:
            if self._process.exit_code is not None:
                raise ServerUnusable(f"ended with {self._process.exit_code} before it answered: {self.log_tail()}")
            with suppress(OSError, http.client.HTTPException, NotYet):
                check_close(expected, ask(self.ports.http, form, images))
                return time.monotonic() - self._started_s
            time.sleep(_POLL_S)
        raise ServerUnusable(f"no answer within {_START_TIMEOUT_S} s: {self.log_tail()}")

    def memory_mib(self) -> dict[str, float]:
        """Proportional set size of every process, by program: shared pages count once in all."""
        sizes: dict[str, float] = {}
        for process in self._find():
            with suppress(psutil.Error):
                name = process.name()
                sizes[name] = sizes.get(name, 0) + process.memory_full_info().pss / 2**20
        return sizes

    def stop(self) -> float:
        """SIGTERM, as a user's Ctrl-C or Kubernetes would; seconds until none of its processes is left.

        What does not end by itself when the server has is counted in `killed`.

        Raises:
            ServerUnusable: The server itself did not end in time.
        """
        self._find()
        asked_s = time.monotonic()
        self._process.terminate()
        if self._process.wait(_STOP_TIMEOUT_S) is None:
            raise ServerUnusable(f"did not end within {_STOP_TIMEOUT_S} s of SIGTERM: {self.log_tail()}")
        ended_s = time.monotonic()
        gone_s = ended_s
        while gone_s < ended_s + _LEFT_S and any(map(_is_alive, self._known)):
            time.sleep(_POLL_S)
            gone_s = time.monotonic()
        self.killed = len(self._find())
        return (ended_s if self.killed else gone_s) - asked_s

    def log_tail(self) -> str:
        """The end of what it said."""
        return self._log.read_text(encoding="utf-8", errors="replace").strip()[-600:] or "it said nothing"

    def _find(self) -> list[psutil.Process]:
        """Those with the mark, and the children of any that was ever seen: some overwrite their environment."""
        self._known.update(process for process in psutil.process_iter() if _is_marked(process, self._mark))
        for process in list(self._known):
            with suppress(psutil.Error):
                self._known.update(process.children(recursive=True))
        return [process for process in self._known if _is_alive(process)]

    def _kill_all(self) -> None:
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while time.monotonic() < deadline and (left := self._find()):
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            time.sleep(_POLL_S)


class NotYet(Exception):
    """An answer with another status than 200: many servers listen before their model is loaded."""


def ask(port: int, form: HttpFormat, images: np.ndarray) -> np.ndarray:
    """One request on a connection of its own.

    Raises:
        OSError: No connection, or it broke.
        http.client.HTTPException: No HTTP came back.
        NotYet: Another status than 200.
    """
    payload = form.encode(images)
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("POST", payload.path, payload.body, dict(payload.headers))
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise NotYet(f"status {answer.status}: {body[:300]!r}")
    return form.decode({name.lower(): value for name, value in answer.getheaders()}, body)


def check_close(expected: np.ndarray, got: np.ndarray) -> None:
    """Compare with what ONNX Runtime says.

    Raises:
        ServerUnusable: They differ by more than rounding.
    """
    if expected.shape != got.shape or not np.allclose(expected, got, atol=_TOLERANCE):
        difference = np.abs(expected - got).max() if expected.shape == got.shape else "another shape"
        raise ServerUnusable(f"answers are not ONNX Runtime's: {difference}, {got.shape} for {expected.shape}")


def _is_marked(process: psutil.Process, mark: str) -> bool:
    with suppress(psutil.Error):
        return process.environ().get(_MARK) == mark
    return False


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    return False
