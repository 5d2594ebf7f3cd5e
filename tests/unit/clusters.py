"""A cluster that is not there, for what only reads where it would be."""

from __future__ import annotations

from pathlib import Path

from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.nodes.pools import load_nodes


def connection(folder=Path("/nowhere"), *, network="127.64", **other):
    """Return the ClusterConnection of a cluster in a folder; no server listens at its addresses."""
    facts = {
        "kubeconfig": folder / "kubeconfig",
        "apiserver_url": f"https://{network}.0.1:6443",
        "prometheus_url": f"http://{network}.0.1:9090",
        "gateway_url": "http://127.0.0.1:1",
        "namespace": "serving",
        "model_store": folder / "models",
        "nodes": load_nodes("karpenter"),
        "executables": {},
        "control_address": (f"{network}.0.1", 3),
        "control_key": "00",
        "supervisor_pid": 1,
    }
    return ClusterConnection(folder=folder, network=network, **(facts | other))
