"""The layout of one cluster, chosen before its first program starts: folder, addresses, ports, certificates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rehearsal.cluster.controlplane.certificates import Certificates, make_certificates
from rehearsal.cluster.controlplane.network import GATEWAY_PORT
from rehearsal.cluster.nodes.pools import Nodes
from slipway.platform.ports import free_port

__all__ = ["NAMESPACE", "ClusterLayout", "prepare_layout"]

NAMESPACE = "serving"
"""Namespace of the service; restricted Pod Security, as in k8s/namespaces.yaml."""

# Every listener of the control plane. Some programs listen on all addresses, so ports must be free on all.
_LISTENERS = (
    "etcd",
    "etcd-peer",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
    "kubelet",
    "kserve-webhook",
    "kserve-metrics",
    "kserve-health",
    "keda-operator-metrics",
    "keda-operator-health",
    "keda-operator-grpc",
    "keda-adapter",
    "keda-adapter-metrics",
    "keda-webhooks",
    "keda-webhooks-metrics",
    "keda-webhooks-health",
    "karpenter-metrics",
    "karpenter-health",
    "prometheus-operator",
    "prometheus",
    "kube-state-metrics",
    "kube-state-metrics-own",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterLayout:
    """The layout of one cluster.

    Attributes:
        folder: The working folder.
        network: First two bytes of its loopback network.
        ports: Port by listener.
        pki: Its certificates.
        executables: Path by program.
        module_files: Folder by Go module, for configuration that is read from the module.
        nodes: Its node types.
    """

    folder: Path
    network: str
    ports: Mapping[str, int]
    pki: Certificates
    executables: Mapping[str, Path]
    module_files: Mapping[str, Path]
    nodes: Nodes

    @property
    def address(self) -> str:
        """Address of the control plane."""
        return f"{self.network}.0.1"

    @property
    def kubeconfig(self) -> Path:
        """An administrator's."""
        return self.folder / "kubeconfig"

    @property
    def logs(self) -> Path:
        """A file for each program."""
        return self.folder / "logs"

    @property
    def model_store(self) -> Path:
        """The folder behind the claim `models`."""
        return self.folder / "models"

    @property
    def apiserver_url(self) -> str:
        """https://host:port."""
        return f"https://{self.listener('kube-apiserver')}"

    @property
    def prometheus_url(self) -> str:
        """http://host:port."""
        return f"http://{self.listener('prometheus')}"

    @property
    def gateway_url(self) -> str:
        """http://host:port."""
        return f"http://{self.network}.0.2:{GATEWAY_PORT}"

    def listener(self, name: str) -> str:
        """host:port of a listener."""
        return f"{self.address}:{self.ports[name]}"


def prepare_layout(
    folder: Path,
    *,
    network: str,
    executables: Mapping[str, Path],
    module_files: Mapping[str, Path],
    nodes: Nodes,
) -> ClusterLayout:
    """Create the working folder and choose the ports; see `ClusterLayout` for the arguments."""
    for name in ("logs", "models", "pods"):
        (folder / name).mkdir()
    ports: dict[str, int] = {}
    for name in _LISTENERS:
        port = free_port("0.0.0.0")  # noqa: S104 - free on every address, for the programs that listen on all
        while port in ports.values():
            port = free_port("0.0.0.0")  # noqa: S104 - as above
        ports[name] = port
    layout = ClusterLayout(
        folder=folder,
        network=network,
        ports=ports,
        pki=make_certificates(folder / "pki", network=network),
        executables=executables,
        module_files=module_files,
        nodes=nodes,
    )
    _write_kubeconfig(layout)
    return layout


def _write_kubeconfig(layout: ClusterLayout) -> None:
    """Refers to certificates by path: a reader of the file can read them too."""
    layout.kubeconfig.touch(mode=0o600)
    layout.kubeconfig.write_text(
        f"""apiVersion: v1
kind: Config
current-context: rehearsal
contexts: [{{name: rehearsal, context: {{cluster: rehearsal, user: admin, namespace: {NAMESPACE}}}}}]
clusters:
  - name: rehearsal
    cluster: {{server: "{layout.apiserver_url}", certificate-authority: "{layout.pki.authority}"}}
users:
  - name: admin
    user: {{client-certificate: "{layout.pki.admin.certificate}", client-key: "{layout.pki.admin.key}"}}
""",
        encoding="utf-8",
    )
