"""A child process with a log that does not outlive this process.

etcd = ChildProcess(("/…/etcd", "--data-dir", …), log=folder / "logs" / "etcd.log")
etcd.wait(timeout_s=5)                # None: it still runs
etcd.stop(grace_s=3)
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from slipway.platform.processes import start_child

__all__ = ["ChildProcess"]


class ChildProcess:
    """One program in a session of its own, which Ctrl-C in a terminal does not reach."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        last_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start it.

        Args:
            command: The program as an absolute path, and its arguments.
            log: Where both of its streams are appended; the folder is there.
            environment: Variables beside this process's.
            directory: Where it runs; None is where this process runs.
            last_signal: What it gets when this process is gone.

        Raises:
            OSError: It cannot be started, or the log cannot be written.
        """
        self.log = log
        self._ended = threading.Event()
        with log.open("ab") as stream:
            self._child = start_child(
                tuple(command),
                last_signal=last_signal,
                log=stream,
                environment=environment or {},
                directory=directory,
                ended=self._ended.set,
            )

    @property
    def pid(self) -> int:
        """Process id; also the id of its process group."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """Below zero for a signal; None while it runs."""
        return self._child.returncode if self._ended.is_set() else None

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for its end; None when the time is over first."""
        self._ended.wait(timeout_s)
        return self.exit_code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program alone, if it still runs."""
        if not self._ended.is_set():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it and its process group at once."""
        if not self._ended.is_set():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def stop(self, grace_s: float) -> int | None:
        """SIGTERM, and SIGKILL for the group when it still runs after the grace; its exit code."""
        self.signal(signal.SIGTERM)
        if self.wait(grace_s) is None:
            self.kill()
        return self.wait(grace_s)
