"""One start of a container: its command, environment and folder, computed before it; and its process.

    process = await start_process(("/bin/sh", "-c", "exec sleep 9"), environment={}, directory=folder, log=file)
    process.terminate()
    await process.wait()          # -15

The process has its own process group, and does not outlive the node agent.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.cluster.node_agent.environment import ConfigError, Places, expand, references, variables
from rehearsal.cluster.node_agent.image_programs import POD_ADDRESS, SHARED_MEMORY
from rehearsal.cluster.node_agent.pod_context import PodContext, shared_memory_prefix
from rehearsal.cluster.node_agent.pod_network import replace_services, services_in
from rehearsal.cluster.node_agent.volumes import mounts
from slipway.platform.async_processes import AsyncChildProcess

__all__ = ["POD_FOLDER", "CannotStart", "ContainerStart", "plan_start", "start_process"]

POD_FOLDER = "SLIPWAY_POD_FOLDER"
"""Environment variable that marks a process of a pod; its value is a folder below the cluster's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStart:
    """One start of a container.

    Attributes:
        command: The program and its arguments.
        environment: All of its variables.
        directory: Working directory.
        message: The file of its termination message.
        localise: Replaces container paths and Services in a text by local ones.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    message: Path
    localise: Callable[[str], str]


async def plan_start(container: Mapping[str, Any], context: PodContext) -> ContainerStart:
    """Compute the command, the environment and the folder.

    Args:
        container: Its part of the manifest.
        context: Context of its pod.

    Raises:
        ImageUnknown: No local program corresponds to the image.
        ConfigError: The manifest refers to a missing or unsupported object.
        ApiError: The API server does not answer.
    """
    entrypoint = context.shared.programs.entrypoint(container["image"])
    directory = context.folder / "containers" / container["name"]
    directory.mkdir(parents=True, exist_ok=True)
    message = directory / "termination-message"
    message.unlink(missing_ok=True)
    folders = mounts(container, context.volumes)
    places = Places(folders)
    entries = {
        (kind, name): {key: value.decode(errors="replace") for key, value in content.items()}
        for kind, name in references(container)
        if (content := await context.entries(kind, name)) is not None
    }
    declared = variables(container, context.pod, address=context.address, entries=entries)
    words = [*(container.get("command") or entrypoint), *(container.get("args") or ())]
    if not words:
        raise ConfigError(f"container {container['name']}: expected a command or arguments, there are none")
    addresses = {
        service: address
        for text in (*words, *declared.values())
        for service in services_in(text)
        if (address := await context.api.resolve(service)) is not None
    }
    message_path = container.get("terminationMessagePath") or "/dev/termination-log"

    def localise(text: str) -> str:
        return replace_services(places.here(text), addresses).replace(message_path, str(message))

    scratch = places.folder("/tmp") or directory  # noqa: S108  # the container's
    environment = {
        "PATH": context.shared.programs.path,
        "HOME": str(scratch),
        "HOSTNAME": context.pod["metadata"]["name"],
        "LANG": "C.UTF-8",
        "TMPDIR": str(scratch),
        **{name: localise(value) for name, value in declared.items()},
        POD_FOLDER: str(context.folder),
        POD_ADDRESS: context.address,
        SHARED_MEMORY: shared_memory_prefix(context.address.rsplit(".", 2)[0], f"{context.pod['metadata']['uid']}-"),
    }
    return ContainerStart(
        command=tuple(localise(expand(word, declared)) for word in words),
        environment=environment,
        directory=places.folder(container["workingDir"]) or directory if container.get("workingDir") else directory,
        message=message,
        localise=localise,
    )


class CannotStart(Exception):
    """The program does not exist; the kubelet reports StartError."""


async def start_process(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, log: Path
) -> AsyncChildProcess:
    """Start a container's process; Triton's stubs, which watch for its end, end themselves when it is killed.

    Args:
        command: The program, looked up on the PATH of `environment`, and its arguments.
        environment: All of its variables; nothing is inherited.
        directory: Working directory.
        log: File to which both streams are appended.

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
