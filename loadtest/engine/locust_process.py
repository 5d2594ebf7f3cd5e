"""Command: runs Locust in a process of its own and follows what it tells.

    with LocustProcess(request, processes=1) as locust:
        for message in locust.messages():
            ...

The request is passed in a file that both processes hold open, so that secrets in headers stay off the command line.
Locust patches Python for gevent at import, which must not affect the process that starts a run. Ctrl-C reaches this
process only: it asks Locust to stop; Locust reports the results so far and exits. If this process is killed, Locust
exits too.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from loadtest.engine.request import RunRequest
from loadtest.errors import GeneratorError
from slipway.platform.output_lines import Lines
from slipway.platform.ports import free_port
from slipway.platform.processes import ChildProcess
from slipway.platform.sessions import end_session
from slipway.platform.signals import signals_as_interrupt

__all__ = ["LOCUSTFILE", "LocustProcess"]

LOCUSTFILE = Path(__file__).parents[1] / "locustfile.py"
_SILENCE_S = 600.0
"""Longest time without a message: a run reports every second, but its preparation and its report take longer."""
_STOP_S = 60.0
"""From the stop request to the end of the report."""
_LEFT_S = 2.0
"""Time for the workers to end by themselves after the coordinator has ended."""
_LOOK_S = 0.5
_LOG_LINES = 8


class LocustProcess:
    """A Locust process with its workers, from its start to its last message and the end of its last process."""

    def __init__(
        self, request: RunRequest, *, processes: int = 1, silence_s: float = _SILENCE_S, stop_s: float = _STOP_S
    ) -> None:
        self._request, self._processes = request, processes
        self._silence_s, self._stop_s = silence_s, stop_s
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._stop_at_s: float | None = None
        self._completed = False

    def __enter__(self) -> Self:
        self._lines = Lines()
        try:
            with self._lines.writer() as progress:
                self._start(progress)
        except (OSError, ValueError) as exc:
            self._log.close()
            raise GeneratorError(f"the load generator could not be started: {exc}") from exc
        return self

    def _start(self, progress: int) -> None:
        """Start Locust with the request's file and the write end of the pipe.

        Raises:
            OSError: The disk is full, or the process cannot be started.
            ValueError: A path of the request cannot be encoded.
        """
        with self._request.to_file() as request:
            self._process = ChildProcess(
                self._command(request.fileno(), progress),
                output=self._log,
                pass_fds=[request.fileno(), progress],
                last_signal=signal.SIGTERM,
            )

    def _command(self, request: int, progress: int) -> tuple[str, ...]:
        """Locust's command line, with the descriptors of the request and of the progress pipe."""
        command = [sys.executable, "-P", "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"]
        if self._processes > 1:
            port = str(free_port())
            command += ["--processes", str(self._processes), "--master-bind-host", "127.0.0.1"]
            command += ["--master-bind-port", port, "--master-port", port]
        return (*command, "--request-fd", str(request), "--progress-fd", str(progress))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._completed:  # after its last message it ends by itself, its workers first
            self._stop()
        try:
            self._process.wait(max(0.0, self._left_to_stop_s()))
        finally:
            end_session(self._process.pid, within_s=_LEFT_S if self._process.exit_code is not None else 0.0)
            self._process.wait(_LEFT_S)
            self._lines.close()
            self._log.close()

    def messages(self) -> Iterator[dict[str, Any]]:
        """The coordinator's messages, until it ends; a first Ctrl-C or SIGTERM makes it end the run early.

        Raises:
            KeyboardInterrupt: A second signal, or one before the run had begun: there is no result.
            GeneratorError: It ended without a result, or sent no message for too long; with the end of its log.
        """
        last: dict[str, Any] = {}
        heard_s = time.monotonic()
        with signals_as_interrupt():
            while not self._completed:
                try:
                    ended = self._process.exit_code is not None
                    line = self._lines.next(0.0 if ended else _LOOK_S)
                except KeyboardInterrupt:
                    if self._stop_at_s is not None:
                        raise
                    self._stop()
                    continue
                if line is not None:
                    last, heard_s = json.loads(line), time.monotonic()
                    self._completed = "exit_code" in last
                    yield last
                elif ended or self._lines.ended:
                    break
                else:
                    self._see_that_it_goes_on(heard_s)
        if self._stop_at_s is not None and not last:
            raise KeyboardInterrupt  # Locust was still starting
        if not self._completed:
            raise GeneratorError(self._last_words())

    def _see_that_it_goes_on(self, heard_s: float) -> None:
        if self._stop_at_s is not None and self._left_to_stop_s() < 0:
            raise GeneratorError(f"the load generator did not stop within {self._stop_s:g} s; it is killed")
        if time.monotonic() > heard_s + self._silence_s:
            raise GeneratorError(f"the load generator sent no progress for {self._silence_s:g} s; it is stopped")

    def _left_to_stop_s(self) -> float:
        return self._stop_s if self._stop_at_s is None else self._stop_at_s - time.monotonic()

    def _stop(self) -> None:
        if self._stop_at_s is None:
            self._stop_at_s = time.monotonic() + self._stop_s
        self._process.send_signal(signal.SIGINT)

    def _last_words(self) -> str:
        exit_code = self._process.wait(_LEFT_S)
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()[-_LOG_LINES:]
        log_tail = "\n  ".join(lines) or "nothing"
        ended = "closed its messages" if exit_code is None else f"ended with code {exit_code}"
        return f"the load generator {ended} before its report; its output:\n  {log_tail}"
