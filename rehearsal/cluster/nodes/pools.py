"""Which machines the rehearsed cluster can have: read from YAML, and written as objects of Kubernetes.

nodes = load_nodes("karpenter")            # rehearsal/cluster/nodes/karpenter.yaml
nodes.types[0].boot_s
node_objects(nodes)                        # Karpenter's pools and classes, or fixed nodes
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rehearsal.errors import RehearsalScenarioError
from slipway.platform.settings import Settings, SettingsFiles, check_settings

__all__ = [
    "KWOK_NODE",
    "LEASES",
    "LOST",
    "Nodes",
    "gpu_taint",
    "instance_types",
    "load_nodes",
    "node_objects",
    "shipped_nodes",
    "system_node",
]

KWOK_NODE = {"kwok.x-k8s.io/node": "fake"}
"""Annotation of nodes that kwok manages."""
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
"""Namespace of the nodes' heartbeats, one Lease per node."""
LOST = "rehearsal.slipway/lost"
"""Annotation (value `true`) of a node whose machine is lost: the node agent kills its processes."""
_ON_DEMAND = "on-demand"
_HEAVIEST = 100

_FILES = SettingsFiles(
    folder=Path(__file__).parent, kind="node types", sections="types, pool, gpu_limit", error=RehearsalScenarioError
)


class NodeType(Settings):
    """A type of machine."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
    """The cloud's name, such as `g6.xlarge`."""
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
    """Seconds from the request until the node joins. A `fixed` pool exists from the beginning."""


class Nodes(Settings):
    """The node types of a cluster."""

    description: str = ""
    """For the report."""
    pool: Literal["karpenter", "fixed"] = "karpenter"
    """`karpenter`: nodes are added when pods need them and removed when empty; `fixed`: always `count` nodes."""
    types: Annotated[list[NodeType], Field(min_length=1)]
    """Available types; Karpenter prefers earlier ones."""
    count: Annotated[int, Field(ge=1, le=100)] = 4
    """Nodes of the first type in a fixed pool."""
    gpu_limit: Annotated[int, Field(ge=1)] = 8
    """Largest number of GPUs that Karpenter may request of each type."""
    consolidate_after_s: Annotated[int, Field(ge=0)] = 30
    """Seconds after which Karpenter removes an empty node."""
    zones: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["zone-a", "zone-b"])]
    """Zones in which every type is available."""

    @model_validator(mode="after")
    def _names_differ(self) -> Nodes:
        names = [each.name for each in self.types]
        if len(set(names)) < len(names):
            raise ValueError(f"types: expected different names, got {', '.join(names)}")
        return self

    def price_per_hour(self, name: str) -> float:
        """Price of a type; 0 for an unlisted one."""
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


def gpu_taint() -> dict[str, str]:
    """Taint of GPU nodes, for pods that request no GPU, as in k8s/nodes/."""
    return {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


def instance_types(nodes: Nodes) -> list[dict[str, Any]]:
    """Contents of INSTANCE_TYPES_FILE_PATH for Karpenter's kwok provider."""
    return [
        {
            "name": each.name,
            "architecture": "amd64",
            "operatingSystems": ["linux"],
            "resources": _resources(each),
            "offerings": [
                {
                    "Price": each.price_per_hour,
                    "Available": True,
                    "Requirements": [
                        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": [_ON_DEMAND]},
                        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]},
                    ],
                }
                for zone in nodes.zones
            ],
        }
        for each in nodes.types
    ]


def node_objects(nodes: Nodes) -> list[dict[str, Any]]:
    """Karpenter's NodePools, or the nodes of a fixed pool."""
    if nodes.pool == "fixed":
        kind = nodes.types[0]
        zones = nodes.zones
        return [_node(f"gpu-{n + 1}", kind, zones[n % len(zones)]) for n in range(nodes.count)]
    return [part for place, each in enumerate(nodes.types) for part in _karpenter_pool(each, nodes, place)]


def system_node() -> dict[str, Any]:
    """The node for pods that need no GPU."""
    kind = NodeType(name="system", gpus=0, cpu=16, memory_gib=64, price_per_hour=0)
    return _node("system", kind, "zone-a")


def _karpenter_pool(kind: NodeType, nodes: Nodes, place: int) -> list[dict[str, Any]]:
    labels = {"nvidia.com/gpu.product": kind.gpu_product} if kind.gpu_product else {}
    requirements = {
        "kubernetes.io/arch": "amd64",
        "karpenter.sh/capacity-type": _ON_DEMAND,
        "node.kubernetes.io/instance-type": kind.name,
    }
    return [
        {
            "apiVersion": "karpenter.kwok.sh/v1alpha1",
            "kind": "KWOKNodeClass",
            "metadata": {"name": kind.name},
            "spec": {"nodeRegistrationDelay": f"{kind.boot_s}s"},
        },
        {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodePool",
            "metadata": {"name": kind.name},
            "spec": {
                "weight": max(1, _HEAVIEST - place),
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "requirements": [
                            {"key": key, "operator": "In", "values": [value]} for key, value in requirements.items()
                        ],
                        "taints": [gpu_taint()] if kind.gpus else [],
                        "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": kind.name},
                        "expireAfter": "Never",
                    },
                },
                "limits": {"nvidia.com/gpu": str(nodes.gpu_limit)},
                "disruption": {
                    "consolidationPolicy": "WhenEmpty",
                    "consolidateAfter": f"{nodes.consolidate_after_s}s",
                    "budgets": [{"nodes": "100%"}],
                },
            },
        },
    ]


def _node(name: str, kind: NodeType, zone: str) -> dict[str, Any]:
    resources = _resources(kind)
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": kind.name,
        "topology.kubernetes.io/zone": zone,
    }
    if kind.gpu_product:
        labels["nvidia.com/gpu.product"] = kind.gpu_product
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": KWOK_NODE},
        "spec": {"taints": [gpu_taint()] if kind.gpus else []},
        "status": {"capacity": resources, "allocatable": resources},
    }


def _resources(kind: NodeType) -> dict[str, str]:
    resources = {
        "cpu": str(kind.cpu),
        "memory": f"{kind.memory_gib}Gi",
        "ephemeral-storage": "100Gi",
        "pods": "110",
    }
    if kind.gpus:
        resources["nvidia.com/gpu"] = str(kind.gpus)
    return resources
