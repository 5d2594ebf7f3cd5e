"""Run Locust in a process of its own and follow what it tells.

    with LocustProcess(command_line) as locust:
        for message in locust.messages():
            ...

Locust prepares Python for gevent when it is imported; whoever starts a run stays untouched by that. Ctrl-C reaches
this process only: it asks Locust to stop, which reports what it has, and then ends. Locust ends too when this process
is killed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from loadtest.errors import GeneratorError
from loadtest.interrupts import signals_as_interrupt
from loadtest.request import RunRequest
from slipway.launcher import launch_command

__all__ = ["LocustProcess", "locust_command"]

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_STOP_S = 30.0
_LOG_LINES = 8


def locust_command(request: RunRequest, *, processes: int) -> list[str]:
    """The `locust` command line of a request, without the parts of `LocustProcess`."""
    words = ["-f", str(LOCUSTFILE), "--headless", "--only-summary", "--scenario", request.scenario]
    for key, value in request.overrides.items():
        words += ["--override", f"{key}={value}"]
    words += ["--repository", str(request.repository), "--command-line", request.command]
    if request.report_dir is not None:
        words += ["--report-dir", str(request.report_dir)]
    if not request.page:
        words.append("--no-page")
    if request.junit is not None:
        words += ["--junit", str(request.junit)]
    if processes > 1:
        port = str(_free_port())
        words += ["--processes", str(processes), "--master-bind-host", "127.0.0.1"]
        words += ["--master-bind-port", port, "--master-port", port]
    return words


class LocustProcess:
    """One Locust, from its start to its last word."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._asked_to_stop = False

    def __enter__(self) -> Self:
        read_end, write_end = os.pipe()
        self._messages = os.fdopen(read_end, encoding="utf-8")
        try:
            self._process = subprocess.Popen(
                launch_command(
                    (sys.executable, "-m", "locust", *self._words, "--progress-fd", str(write_end)),
                    last_signal=signal.SIGTERM,
                ),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                pass_fds=[write_end],
                start_new_session=True,
            )
        finally:
            os.close(write_end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._messages.close()
        self._log.close()

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the leader of the run tells, until it ends; a first Ctrl-C or SIGTERM makes it conclude early.

        Raises:
            KeyboardInterrupt: That came a second time, or before it had begun: there is nothing to conclude.
            GeneratorError: It ended without a word of how the run went; carries the end of its log.
        """
        last: dict[str, Any] = {}
        with signals_as_interrupt():
            while True:
                try:
                    line = self._messages.readline()
                except KeyboardInterrupt:
                    if self._asked_to_stop:
                        raise
                    self._stop()
                    continue
                if not line:
                    break
                last = json.loads(line)
                yield last
        if self._asked_to_stop and not last:
            raise KeyboardInterrupt  # it was still being loaded
        if "exit_code" not in last:
            raise GeneratorError(self._last_words())

    def _stop(self) -> None:
        self._asked_to_stop = True
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)

    def _last_words(self) -> str:
        exit_code = self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()[-_LOG_LINES:]
        said = "\n  ".join(lines) or "nothing"
        return f"the load generator ended with code {exit_code} before its report; it said:\n  {said}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
