"""One container's process, in a process group of its own, that does not outlive the node agent.

process = await ContainerProcess.start(("/bin/sh", "-c", "exec sleep 9"), environment={}, directory=folder, log=file)
process.terminate()
await process.wait()          # -15
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from slipway.platform.launcher import launch_command

__all__ = ["CannotStart", "ContainerProcess"]


class CannotStart(Exception):
    """The program does not exist; the kubelet reports StartError."""


class ContainerProcess:
    """A started program.

    The event loop's thread starts it, which lives as long as the agent: when that goes, the kernel ends the program
    (SIGKILL), and Triton's stubs, which watch for it, end themselves.
    """

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child
        self._group_over = False

    @classmethod
    async def start(cls, command: Sequence[str], *, environment: Mapping[str, str], directory: Path, log: Path) -> Self:
        """Start it.

        Args:
            command: The program, looked up on the PATH of `environment`, and its arguments.
            environment: All of its variables; nothing is inherited.
            directory: Where it runs.
            log: Where both streams are appended.

        Raises:
            CannotStart: The program is not there, or the arguments cannot be handed over.
        """
        program = shutil.which(command[0], path=environment.get("PATH", os.defpath))
        if program is None:
            raise CannotStart(f'exec: "{command[0]}": executable file not found in $PATH')
        words = launch_command((program, *command[1:]), last_signal=signal.SIGKILL)
        try:
            with log.open("ab") as stream:
                child = await asyncio.create_subprocess_exec(
                    *words,
                    cwd=directory,
                    env=environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=stream,
                    stderr=asyncio.subprocess.STDOUT,
                    start_new_session=True,
                )
        except (OSError, ValueError) as exc:
            raise CannotStart(f"exec: {command[0]}: {exc}") from exc
        return cls(child)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._child.returncode is None

    async def wait(self) -> int:
        """Wait for its end; the exit code, below zero for a signal. What is left of its group is killed."""
        code = await self._child.wait()
        self.kill()  # a container ends with its first process
        self._group_over = True
        return code

    def terminate(self) -> None:
        """SIGTERM for the first process alone, as in a container."""
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL for the whole group, at once; nothing after `wait`: the number may be another group's by then."""
        if self._group_over:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
