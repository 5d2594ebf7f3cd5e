"""The context of one pod: its manifest, address and folders, the API server, and shared objects.

context = PodContext(pod=manifest, address="127.64.1.1", api=api, shared=shared)
await context.mount_volumes()
context.event("Pulled", "…")
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from rehearsal.cluster.node_agent.image_programs import ImagePrograms
from rehearsal.cluster.node_agent.output import Output, pod_folder
from rehearsal.cluster.node_agent.pod_network import ServiceName
from rehearsal.cluster.node_agent.probe_client import ProbeClient
from rehearsal.cluster.node_agent.volumes import MountError
from rehearsal.errors import ApiError

__all__ = ["DEFAULT_GRACE_S", "SHARED_MEMORY_FOLDER", "PodApi", "PodContext", "SharedByPods", "shared_memory_prefix"]

SHARED_MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108  # POSIX shared memory
DEFAULT_GRACE_S: Final = 30.0
"""Grace period of a pod without one in its manifest."""
_MOUNT_RETRY_S = 1.0

_log = logging.getLogger(__name__)


class PodApi(Protocol):
    """A pod's access to the API server; raises ApiError, after which a call can be retried."""

    async def report(self, pod: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
        """Merge a status into the pod's; returns whether the pod still exists."""

    async def delete(self, pod: Mapping[str, Any]) -> None:
        """Remove the pod, which has no processes any more."""

    def event(self, pod: Mapping[str, Any], reason: str, message: str, *, warning: bool = False) -> None:
        """Record an event."""

    async def entries(self, kind: str, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """The entries of a ConfigMap or Secret; None if there is none."""

    async def volumes(self, pod: Mapping[str, Any], folder: Path, address: str) -> dict[str, Path]:
        """Folder by the volume's name; raises MountError."""

    async def resolve(self, named: ServiceName) -> str | None:
        """Resolve a predictor's Service to host:port; None if there is no such Service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedByPods:
    """Shared by all pods of a node agent.

    Attributes:
        folder: Holds one folder per pod.
        logs: Holds one log folder per pod, which is kept.
        programs: Programs of this machine by image.
        prober: Sends probes.
        restart_backoff_s: Shortest wait between restarts.
    """

    folder: Path
    logs: Path
    programs: ImagePrograms
    prober: ProbeClient
    restart_backoff_s: float = 10.0


@dataclass(slots=True, kw_only=True)
class PodContext:
    """The context of one pod.

    Attributes:
        pod: The manifest at its start.
        address: Its address.
        api: The API server.
        shared: Shared by all pods.
        volumes: Folder by the volume's name; filled before the first container starts.
        silent: Whether events are no longer recorded.
    """

    pod: Mapping[str, Any]
    address: str
    api: PodApi
    shared: SharedByPods
    volumes: dict[str, Path] = field(default_factory=dict)
    silent: bool = False

    @property
    def name(self) -> str:
        """Namespace and name."""
        return f"{self.pod['metadata']['namespace']}/{self.pod['metadata']['name']}"

    @property
    def folder(self) -> Path:
        """The pod's folder, removed with it."""
        return self.shared.folder / pod_folder(self.pod)

    @property
    def output(self) -> Output:
        """Log files of its containers."""
        return Output(self.shared.logs / pod_folder(self.pod))

    @property
    def grace_s(self) -> float:
        """The grace period of its manifest, for restarts by a probe."""
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_S))

    def event(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Log and record an event."""
        _log.info("%s: %s: %s", self.name, reason, message)
        if not self.silent:
            self.api.event(self.pod, reason, message, warning=warning)

    async def entries(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        """The entries of a ConfigMap or Secret of the pod's namespace; None if there is none."""
        return await self.api.entries(kind, self.pod["metadata"]["namespace"], name)

    async def mount_volumes(self) -> None:
        """Fill `volumes`; retries until all exist, with an event for each failure."""
        while True:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self.volumes.update(await self.api.volumes(self.pod, self.folder, self.address))
            except (MountError, OSError) as exc:  # OSError: for example, the disk is full
                self.event("FailedMount", f"MountVolume.SetUp failed: {exc}", warning=True)
            except ApiError as exc:
                _log.info("%s: volumes: %s", self.name, exc)
            else:
                return
            await asyncio.sleep(_MOUNT_RETRY_S)

    def remove_files(self) -> None:
        """Remove the pod's folder, and the shared memory of its processes."""
        shutil.rmtree(self.folder, ignore_errors=True)
        prefix = shared_memory_prefix(self.address.rsplit(".", 2)[0], self.pod["metadata"]["uid"])
        for file in SHARED_MEMORY_FOLDER.glob(f"{prefix}*"):
            file.unlink(missing_ok=True)


def shared_memory_prefix(network: str, uid: str = "") -> str:
    """Prefix of the files in /dev/shm of a pod's tritonserver; without a uid, of all pods of the cluster."""
    return f"slipway-{network}-{uid}"
