"""Which machines the rehearsed cluster can have. YAML in, one frozen value out.

nodes = load_nodes("karpenter")            # rehearsal/cluster/nodes/karpenter.yaml
nodes.types[0].boot_s
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rehearsal.errors import RehearsalScenarioError
from slipway.platform.settings import Settings, SettingsFiles, check_settings

__all__ = ["NodeType", "Nodes", "load_nodes", "shipped_nodes"]

_FILES = SettingsFiles(
    folder=Path(__file__).parent, kind="node types", sections="types, pool, gpu_limit", error=RehearsalScenarioError
)


class NodeType(Settings):
    """A machine that can be had."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
    """As the cloud calls it: `g6.xlarge`."""
    gpus: Annotated[int, Field(ge=0, le=16)]
    """GPUs that the device plugin reports."""
    gpu_product: str = ""
    """Label `nvidia.com/gpu.product`; empty: none."""
    cpu: Annotated[int, Field(ge=1)]
    """Cores."""
    memory_gib: Annotated[int, Field(ge=1)]
    """Memory."""
    price_per_hour: Annotated[float, Field(ge=0)]
    """In US dollars."""
    boot_s: Annotated[int, Field(ge=0, le=3600)] = 30
    """Seconds from the request to the node that joins. A `fixed` pool exists from the beginning."""


class Nodes(Settings):
    """The machines of a cluster."""

    description: str = ""
    """For the report."""
    pool: Literal["karpenter", "fixed"] = "karpenter"
    """`karpenter`: nodes come when pods need them and go when they are empty; `fixed`: `count` nodes, always."""
    types: Annotated[list[NodeType], Field(min_length=1)]
    """What can be had; Karpenter tries an earlier one first."""
    count: Annotated[int, Field(ge=1, le=100)] = 4
    """Nodes of the first type in a fixed pool."""
    gpu_limit: Annotated[int, Field(ge=1)] = 8
    """Most GPUs that Karpenter may request of each type."""
    consolidate_after_s: Annotated[int, Field(ge=0)] = 30
    """Seconds after which Karpenter gives an empty node back."""
    zones: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["zone-a", "zone-b"])]
    """Zones in which every type can be had."""

    @model_validator(mode="after")
    def _names_differ(self) -> Nodes:
        names = [each.name for each in self.types]
        if len(set(names)) < len(names):
            raise ValueError(f"types: expected different names, got {', '.join(names)}")
        return self

    def price_per_hour(self, name: str) -> float:
        """Of a type; 0 for a machine that is not on the list."""
        return next((each.price_per_hour for each in self.types if each.name == name), 0.0)


def shipped_nodes() -> tuple[str, ...]:
    """Names of the files that come with Slipway, sorted."""
    return _FILES.names()


def load_nodes(name_or_path: str) -> Nodes:
    """Read a shipped file by its name, or the file of that path.

    Raises:
        RehearsalScenarioError: With file, key, expected and got.
    """
    path, document = _FILES.read(name_or_path)
    return check_settings(document, Nodes, where=str(path), error=RehearsalScenarioError)
