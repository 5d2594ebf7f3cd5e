"""Everything that one start of a container takes, decided before it is started."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.cluster.node_agent.environment import ConfigError, Places, expand, references, variables
from rehearsal.cluster.node_agent.programs import POD_ADDRESS, SHARED_MEMORY, Programs
from rehearsal.cluster.node_agent.services import Named, rewritten, services_in
from rehearsal.cluster.node_agent.volumes import mounts

__all__ = ["POD_FOLDER", "Ground", "Start", "plan_start", "shared_memory_prefix"]

POD_FOLDER = "SLIPWAY_POD_FOLDER"
"""Variable by which a process of a pod is known; the folder lies in the cluster's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What one pod's containers stand on.

    Attributes:
        pod: The manifest.
        address: The pod's.
        folder: The pod's.
        programs: What this machine can run.
        entries: Kind and name of a ConfigMap or Secret to what it holds; None if there is none.
        resolve: A predictor's Service to host:port; None if there is no such Service.
        volumes: Folder by the volume's name; filled before the first container starts.
    """

    pod: Mapping[str, Any]
    address: str
    folder: Path
    programs: Programs
    entries: Callable[[str, str], Awaitable[Mapping[str, bytes] | None]]
    resolve: Callable[[Named], Awaitable[str | None]]
    volumes: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of a container.

    Attributes:
        command: The program and its arguments.
        environment: All of its variables.
        directory: Where it runs.
        message: The file that stands for its termination message.
        here: Replaces what the container knows by what this machine has, in a text of the manifest.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    message: Path
    here: Callable[[str], str]


def shared_memory_prefix(network: str, uid: str = "") -> str:
    """Of the files in /dev/shm that a pod's tritonserver makes; without a uid, of all pods of the cluster."""
    return f"slipway-{network}-{uid}"


async def plan_start(container: Mapping[str, Any], ground: Ground) -> Start:
    """Work out the command, the environment and the folder.

    Args:
        container: Its part of the manifest.
        ground: Of its pod.

    Raises:
        ImageUnknown: Nothing on this machine stands for the image.
        ConfigError: The manifest refers to what is not there, or is not known.
        ApiError: The API server does not answer.
    """
    entrypoint = ground.programs.entrypoint(container["image"])
    own = ground.folder / "containers" / container["name"]
    own.mkdir(parents=True, exist_ok=True)
    message = own / "termination-message"
    message.unlink(missing_ok=True)
    folders = mounts(container, ground.volumes)
    places = Places(folders)
    held = {
        (kind, name): {key: value.decode(errors="replace") for key, value in found.items()}
        for kind, name in references(container)
        if (found := await ground.entries(kind, name)) is not None
    }
    declared = variables(container, ground.pod, address=ground.address, entries=held)
    words = [*(container.get("command") or entrypoint), *(container.get("args") or ())]
    if not words:
        raise ConfigError(f"container {container['name']}: expected a command or arguments, there are none")
    named = {
        one: address
        for text in (*words, *declared.values())
        for one in services_in(text)
        if (address := await ground.resolve(one)) is not None
    }
    there = container.get("terminationMessagePath") or "/dev/termination-log"

    def here(text: str) -> str:
        return rewritten(places.here(text), named).replace(there, str(message))

    scratch = places.folder("/tmp") or own  # noqa: S108  # the container's
    environment = {
        "PATH": ground.programs.path,
        "HOME": str(scratch),
        "HOSTNAME": ground.pod["metadata"]["name"],
        "LANG": "C.UTF-8",
        "TMPDIR": str(scratch),
        **{name: here(value) for name, value in declared.items()},
        POD_FOLDER: str(ground.folder),
        POD_ADDRESS: ground.address,
        SHARED_MEMORY: shared_memory_prefix(ground.address.rsplit(".", 2)[0], f"{ground.pod['metadata']['uid']}-"),
    }
    return Start(
        command=tuple(here(expand(word, declared)) for word in words),
        environment=environment,
        directory=places.folder(container["workingDir"]) or own if container.get("workingDir") else own,
        message=message,
        here=here,
    )
