"""One container's process in its own process group, which does not outlive the node agent.

process = await start_process(("/bin/sh", "-c", "exec sleep 9"), environment={}, directory=folder, log=file)
process.terminate()
await process.wait()          # -15
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from slipway.platform.async_processes import AsyncChildProcess

__all__ = ["CannotStart", "start_process"]


class CannotStart(Exception):
    """The program does not exist; the kubelet reports StartError."""


async def start_process(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, log: Path
) -> AsyncChildProcess:
    """Start a container's process; Triton's stubs, which watch for its end, end themselves when it is killed.

    Args:
        command: The program, looked up on the PATH of `environment`, and its arguments.
        environment: All of its variables; nothing is inherited.
        directory: Where it runs.
        log: Where both streams are appended.

    Raises:
        CannotStart: The program does not exist, or the arguments cannot be passed.
    """
    program = shutil.which(command[0], path=environment.get("PATH", os.defpath))
    if program is None:
        raise CannotStart(f'exec: "{command[0]}": executable file not found in $PATH')
    try:
        return await AsyncChildProcess.start(
            (program, *command[1:]), output=log, environment=environment, directory=directory
        )
    except (OSError, ValueError) as exc:
        raise CannotStart(f"exec: {command[0]}: {exc}") from exc
