"""Node types as objects of Kubernetes: Karpenter's pools and instance types, and fixed nodes."""

from __future__ import annotations

from typing import Any

from rehearsal.cluster.nodes.types import Nodes, NodeType

__all__ = ["KWOK_NODE", "LEASES", "LOST", "gpu_taint", "instance_types", "node_objects", "system_node"]

KWOK_NODE = {"kwok.x-k8s.io/node": "fake"}
"""Annotation by which kwok takes a node into its care."""
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
"""One of each node's name: its heartbeat."""
LOST = "rehearsal.slipway/lost"
"""Annotation of a node whose machine is gone, with the value `true`: the node agent kills what runs there."""
_ON_DEMAND = "on-demand"
_HEAVIEST = 100


def gpu_taint() -> dict[str, str]:
    """Keeps everything off GPU nodes that does not ask for a GPU, as k8s/nodes/ does."""
    return {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


def instance_types(nodes: Nodes) -> list[dict[str, Any]]:
    """What Karpenter's kwok provider reads from INSTANCE_TYPES_FILE_PATH."""
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
    """The pools that Karpenter fills, or the nodes of a fixed pool."""
    if nodes.pool == "fixed":
        kind = nodes.types[0]
        zones = nodes.zones
        return [_node(f"gpu-{n + 1}", kind, zones[n % len(zones)]) for n in range(nodes.count)]
    return [part for place, each in enumerate(nodes.types) for part in _karpenter_pool(each, nodes, place)]


def system_node() -> dict[str, Any]:
    """Where everything runs that needs no GPU."""
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
