"""Child processes of an event loop that end with this process; see `slipway.platform.processes`.

process = await AsyncChildProcess.start(("/bin/sleep", "9"), output=folder / "log", environment={}, directory=folder)
process.terminate()
await process.wait()          # -15
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from slipway.platform.launcher import launch_command
from slipway.platform.processes import signal_group

__all__ = ["AsyncChildProcess"]


class AsyncChildProcess:
    """A started program in its own session.

    The event loop's thread starts it and lives as long as this process: when that ends, the kernel kills the program.
    """

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child
        self._group_over = False

    @classmethod
    async def start(
        cls, command: Sequence[str], *, output: Path, environment: Mapping[str, str], directory: Path
    ) -> Self:
        """Start it.

        Args:
            command: The program as an absolute path, and its arguments.
            output: File to which both streams are appended; its folder must exist.
            environment: Its complete environment.
            directory: Working directory.

        Raises:
            OSError: It cannot be started, or the output cannot be written.
            ValueError: An argument cannot be passed.
        """
        with output.open("ab") as stream:
            child = await asyncio.create_subprocess_exec(
                *launch_command(tuple(command), last_signal=signal.SIGKILL),
                cwd=directory,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stream,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(child)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._child.returncode is None

    async def wait(self) -> int:
        """Wait for its end, then kill the rest of its group; returns the exit code, negative for a signal."""
        code = await self._child.wait()
        self.kill()
        self._group_over = True
        return code

    def terminate(self) -> None:
        """SIGTERM for the program alone."""
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the whole group; does nothing after `wait`, when the id may belong to another group."""
        if not self._group_over:
            signal_group(self._child.pid, signal.SIGKILL)
