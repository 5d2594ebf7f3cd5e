"""The outside, as a pod sees it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rehearsal.cluster.node_agent.services import Named

__all__ = ["Door"]


class Door(Protocol):
    """What a pod asks and tells; raises ApiError to be asked again."""

    async def report(self, pod: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
        """Merge a status into the pod's; whether it is still there."""

    async def delete(self, pod: Mapping[str, Any]) -> None:
        """Nothing of it runs any more."""

    def event(self, pod: Mapping[str, Any], reason: str, message: str, *, warning: bool = False) -> None:
        """Tell what happened."""

    async def entries(self, kind: str, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """What a ConfigMap or Secret holds."""

    async def volumes(self, pod: Mapping[str, Any], folder: Path, address: str) -> dict[str, Path]:
        """Folder by the volume's name; raises MountError."""

    async def resolve(self, named: Named) -> str | None:
        """A predictor's Service to host:port."""
