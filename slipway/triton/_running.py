"""One process of tritonserver, from its start to its end; a restart is another one."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from slipway.platform.processes import ChildProcess, signal_name
from slipway.printable import printable
from slipway.triton._backend_processes import dead_backends
from slipway.triton._drain import Activity, drain, kill
from slipway.triton._errors import BackendDied, NotReadyInTime, ServeError, ServerDied
from slipway.triton._log import ServerLog, explain, last_lines
from slipway.triton._ports import port_taken
from slipway.triton._run_folder import forget_shared_memory

if TYPE_CHECKING:
    from slipway.triton._launch import Launch
    from slipway.triton._settings import ServerSettings

__all__ = ["RunningServer", "http_get"]

_FIRST_POLLS_S = 0.01  # a native server is ready in a tenth of a second
_POLL_S = 0.05
_CRASHING_S = 5.0
_CRASHED = re.compile(r"^Signal \((4|6|7|8|11)\) received\.$", re.MULTILINE)  # SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV
_PORT_LOST = re.compile(r"failed to start (?P<name>\w+) service: .*Socket '[\d.]+:(?P<port>\d+)' already in use")


class RunningServer:
    """A started tritonserver, its backend's processes and its log."""

    def __init__(self, launch: Launch, settings: ServerSettings) -> None:
        """Start it.

        Raises:
            ServeError: It cannot be started.
        """
        self._launch, self._settings = launch, settings
        self._suspect: int | None = None
        self._exit_code: int | None = None
        self.log = ServerLog(settings.log_file)
        for counter in launch.activity.glob("*"):  # of a server before this one, killed with a request in hand
            counter.unlink(missing_ok=True)
        try:
            self.process = ChildProcess(
                launch.command,
                output=self.log.file,
                # Not SIGKILL: tritonserver answers what is in flight, then removes its shared memory and its children.
                last_signal=signal.SIGTERM,
                environment={**os.environ, **launch.environment},
                directory=launch.directory,
            )
        except OSError as exc:
            self.log.close()
            raise ServeError(f"cannot start {launch.command[0]}: {exc.strerror}") from exc

    def wait_ready(self) -> None:
        """Wait until every model answers.

        Raises:
            ServeError: It ended, or is not ready in time.
        """
        started = time.monotonic()
        waiting = list(self._launch.models)
        while waiting:
            waited_s = time.monotonic() - started
            exit_code = self.process.wait(_FIRST_POLLS_S if waited_s < 1 else _POLL_S)
            if exit_code is not None:
                raise self._died(exit_code)
            if waited_s > self._settings.ready_timeout_s:
                raise self._late(waiting)
            waiting = [name for name in waiting if not _is_ready(self._launch.http_url, name)]

    def check(self, within_s: float) -> None:
        """Look for `within_s` seconds whether it still does what it is there for.

        Raises:
            ServerDied: It ended. The text begins with the exit code and the reason out of the log.
            BackendDied: A process of its backend did.
        """
        exit_code = self.process.wait(within_s)
        if exit_code is not None:
            raise self._died(exit_code)
        self._end_if_it_hangs()
        if self._launch.backend == "native":  # it has no processes of its own
            return
        dead = next(iter(dead_backends(self.process.pid)), None)
        if dead is not None and dead.pid == self._suspect:
            raise BackendDied(
                f"a backend process of tritonserver ({dead.pid}) {dead.ended}: requests that it should answer fail",
                pid=dead.pid,
            )
        self._suspect = dead.pid if dead is not None else None

    def _end_if_it_hangs(self) -> None:
        """A tritonserver that crashes writes the signal and its stack, and may wait in that for ever."""
        crashed = _CRASHED.findall(self.log.text())
        if crashed and self.process.wait(_CRASHING_S) is None:
            kill(self.process)
            name = signal_name(int(crashed[-1]))
            reason = f"it crashed ({name}), and did not end by itself"
            raise ServerDied(f"tritonserver was killed: {reason}", exit_code=-int(crashed[-1]), reason=reason)

    def poll(self) -> int | None:
        """The exit code, below zero for a signal; None while it runs; after `stop` what that has returned."""
        return self.process.wait(0) if self._exit_code is None else self._exit_code

    def stop(self) -> int:
        """Let it answer what is in flight, and end it with everything that it has; a second call changes nothing.

        An interrupt ends it at once.

        Returns:
            Its exit code; 0 also where it had to be killed with nothing in flight.

        Raises:
            ServeError: It is stuck in the kernel.
        """
        if self._exit_code is None:
            try:
                self._exit_code = drain(
                    self.process,
                    self.log,
                    Activity(self._launch.activity),
                    exit_timeout_s=self._settings.exit_timeout_s,
                    backend_is_dead=self._suspect is not None,
                    unloads_at_once=self._launch.backend == "native",
                    ports=(self._launch.ports.http, self._launch.ports.grpc),
                )
            finally:
                self.process.end_group()  # stubs that were still starting do not end by themselves
                if self._launch.shared_memory is not None:
                    forget_shared_memory(self._launch.shared_memory)
                self.log.close()
        return self._exit_code

    def log_tail(self, lines: int) -> tuple[str, ...]:
        """The last lines of its log, also after it ended."""
        return tuple(printable(line) for line in last_lines(self.log.text(), lines))

    def _died(self, exit_code: int) -> ServeError:
        text = self.log.text()
        explanation = explain(text, pid=self.process.pid, killed=exit_code < 0)
        lost = _PORT_LOST.search(text)
        if lost is not None:
            return port_taken(lost["name"].lower(), self._settings.address, int(lost["port"]))
        ended = f"was killed by {_signal(-exit_code)}" if exit_code < 0 else f"ended with code {exit_code}"
        details = "".join(f"\n  {line}" for line in explanation.details)
        return ServerDied(
            f"tritonserver {ended}: {explanation.reason}{details}", exit_code=exit_code, reason=explanation.reason
        )

    def _late(self, waiting: list[str]) -> NotReadyInTime:
        details = "".join(f"\n  {line}" for line in self.log_tail(5))
        return NotReadyInTime(
            f"{', '.join(waiting)} not ready within {self._settings.ready_timeout_s:g} s (`--ready-timeout-s`); "
            f"the log ends with:{details}"
        )


def http_get(url: str, path: str, *, timeout_s: float) -> tuple[int, bytes]:
    """Ask a server on this machine, past any proxy: status and body.

    The standard library's client, for the package httpx alone takes as long to load as tritonserver to start.

    Raises:
        OSError: It does not answer.
        HTTPException: The response is not HTTP.
    """
    address = urlsplit(url)
    with closing(HTTPConnection(address.hostname or "", address.port, timeout=timeout_s)) as connection:
        connection.request("GET", quote(path))
        answer = connection.getresponse()
        return answer.status, answer.read()


def _is_ready(url: str, model: str) -> bool:
    """Short answers only: a port taken by a silent process must not hide that the server has died."""
    try:
        status, _ = http_get(url, f"/v2/models/{model}/ready", timeout_s=1)
    except (OSError, HTTPException):
        return False
    return status == HTTPStatus.OK


def _signal(number: int) -> str:
    name = signal_name(number)
    return f"{name} (by another process, or by the kernel for lack of memory)" if number == signal.SIGKILL else name
