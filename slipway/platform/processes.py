"""Child processes that end with this process, even if it is killed.

etcd = ChildProcess(("/…/etcd", "--data-dir", …), output=folder / "etcd.log")
etcd.wait(timeout_s=5)                # None: it still runs
etcd.stop(grace_s=3)

In an event loop: `slipway.platform.async_processes`. Lines out of a pipe: `slipway.platform.output_lines`.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO, TypeAlias

from slipway.platform.launcher import launch_command

__all__ = ["ChildProcess", "Stream", "prepended", "signal_group", "signal_name"]

Stream: TypeAlias = IO[bytes] | int
"""An open file, or its descriptor."""

_SLICE_S = 0.2
_GROUP_POLL_S = 0.01
_GROUP_ENDS_S = 1.0  # short, since a dead process counts until init reaps it, which not every container's init does


class ChildProcess:
    """A program in its own session: Ctrl-C in a terminal reaches only the process that started it.

    The kernel watches the *thread* that started it, so a dedicated thread starts it, stays until it ends, and reaps it
    at once, since its own children may watch for its end.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: Path | Stream,
        errors: Stream | None = None,
        input: Stream | None = None,  # noqa: A002 - as in `subprocess.run`
        pass_fds: Sequence[int] = (),
        last_signal: signal.Signals | None = signal.SIGKILL,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        """Start it.

        Args:
            command: The program as an absolute path, and its arguments.
            output: Standard output; a path is appended to, and its folder must exist.
            errors: Standard error; None for `output`.
            input: Standard input; None for none.
            pass_fds: Additional open descriptors.
            last_signal: Signal that the kernel sends it when this process ends; None to keep it running.
            environment: Its complete environment; None for this process's.
            directory: Working directory; None for this process's.

        Raises:
            OSError: It cannot be started, or the output cannot be written.
            ValueError: An argument cannot be passed.
        """
        # A bare lock, held until the child ends: an exception (Ctrl-C) in an Event's wait() can leave its lock held.
        self._running = threading.Lock()
        self._running.acquire()
        words = tuple(command)
        if last_signal is not None:
            words = launch_command(words, last_signal=last_signal)
        with output.open("ab") if isinstance(output, Path) else nullcontext(output) as stream:
            self._child = self._start(
                lambda: subprocess.Popen(
                    words,
                    cwd=directory,
                    env=environment,
                    pass_fds=pass_fds,
                    start_new_session=True,
                    stdin=subprocess.DEVNULL if input is None else input,
                    stdout=stream,
                    stderr=subprocess.STDOUT if errors is None else errors,
                ),
                name=Path(command[0]).name,
            )

    @property
    def pid(self) -> int:
        """Process id; also the id of its process group."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._child.returncode

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for its end; returns its exit code, or None after the time-out."""
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while self._child.returncode is None and (left_s := deadline - time.monotonic()) > 0:
            # In slices, since a signal that arrives just before the wait is handled only after it.
            if self._running.acquire(timeout=min(left_s, _SLICE_S)):
                self._running.release()
        return self._child.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the program alone, if it still runs."""
        if self._child.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM: a graceful end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and its process group."""
        if self._child.returncode is None:
            signal_group(self.pid, signal.SIGKILL)

    def stop(self, grace_s: float, *, group_signal: signal.Signals | None = None) -> int | None:
        """Terminate it, and kill its group if it still runs after the grace period.

        Args:
            grace_s: Longest wait for its end, in seconds.
            group_signal: First signal, to its whole group; None for SIGTERM to the program alone.

        Returns:
            Its exit code; None if it is stuck in the kernel.
        """
        if group_signal is None:
            self.terminate()
        elif self._child.returncode is None:
            signal_group(self.pid, group_signal)
        if self.wait(grace_s) is None:
            self.kill()
        return self.wait(grace_s)

    def end_group(self) -> None:
        """Kill the remaining processes of its group after it has ended, and wait briefly for their end."""
        deadline = time.monotonic() + _GROUP_ENDS_S
        while time.monotonic() < deadline and signal_group(self.pid, signal.SIGKILL):
            time.sleep(_GROUP_POLL_S)

    def _start(self, start: Callable[[], subprocess.Popen[bytes]], *, name: str) -> subprocess.Popen[bytes]:
        started: Future[subprocess.Popen[bytes]] = Future()

        def run() -> None:
            try:
                child = start()
            except Exception as exc:  # noqa: BLE001 - raised again in the waiting thread
                started.set_exception(exc)
                return
            started.set_result(child)
            child.wait()
            self._running.release()

        thread = threading.Thread(target=run, name=name, daemon=True)
        try:
            thread.start()  # it waits for the thread, which may have started the child by then
            return started.result()
        except BaseException:  # Ctrl-C: the child would be orphaned
            started.add_done_callback(_end_unknown)
            raise


def prepended(variable: str, directories: Sequence[Path]) -> str:
    """A search path such as LD_LIBRARY_PATH for a child: these directories, then those of this process's variable."""
    inherited = os.environ.get(variable)
    return os.pathsep.join([*map(str, directories), *([inherited] if inherited else [])])


def signal_name(number: int) -> str:
    """A name such as `SIGKILL`; most real-time signals have only a number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def signal_group(group: int, number: signal.Signals) -> bool:
    """Send a signal to every process of a group; returns whether there was one."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _end_unknown(started: Future[subprocess.Popen[bytes]]) -> None:
    if started.exception() is None:
        signal_group(started.result().pid, signal.SIGKILL)
