"""The layout of one cluster, decided before its first program starts: network, folder, addresses, ports, certificates.

    network, lock = claim_network()                 # "127.64", held as long as the socket is open
    require_ports(network)                          # PodPortTaken names the process that listens
    layout = prepare_layout(folder, network=network, ...)

Each cluster has its own loopback network, 127.N.0.0/16, so that clusters do not conflict.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from rehearsal.cluster.controlplane.certificates import Certificates, make_certificates
from rehearsal.cluster.nodes.pools import Nodes
from rehearsal.errors import PodPortTaken
from slipway.platform.ports import bound, free_port

__all__ = ["NAMESPACE", "ClusterLayout", "claim_network", "prepare_layout", "require_ports"]

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

POD_PORTS = {8080: "HTTP", 9000: "gRPC", 8002: "metrics"}
"""Ports of the serving chart's pods; every pod has its own address."""
GATEWAY_PORT = 8080
_FIRST, _LAST = 64, 126
_LOCK_PORT = 49_151


def claim_network() -> tuple[str, socket.socket]:
    """Reserve a network that no other cluster of this machine uses.

    Returns:
        Its first two bytes, such as `127.64`, and the socket that reserves it.

    Raises:
        PodPortTaken: All networks are used.
    """
    for number in range(_FIRST, _LAST + 1):
        lock = socket.socket()
        try:
            lock.bind((f"127.{number}.0.1", _LOCK_PORT))
            lock.listen()
        except OSError:
            lock.close()
            continue
        return f"127.{number}", lock
    raise PodPortTaken(
        f"expected a free loopback network between 127.{_FIRST} and 127.{_LAST}, got none: port {_LOCK_PORT} is in use "
        "in each; end clusters with `slipway cluster down`"
    )


def require_ports(network: str, ports: Iterable[int] = POD_PORTS) -> None:
    """Reject ports that another process uses on every address, including the cluster's own.

    Raises:
        PodPortTaken: Names the port, the process, and the remedy.
    """
    address = f"{network}.1.1"
    for port in ports:
        try:
            with bound(address, port):
                pass
        except OSError as exc:
            raise PodPortTaken(
                f"expected port {port} to be free on the pods' addresses {network}.1.*, got: "
                f"{_listener(address, port)} listens on every address; end it, or make it listen on 127.0.0.1 "
                "only, and try again"
            ) from exc


def _listener(address: str, port: int) -> str:
    """The process that already listens on this address; pods of other clusters use other addresses."""
    conflicting = {(each, port) for each in (address, "0.0.0.0", "::")}  # noqa: S104 - read, not bound
    with suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and tuple(connection.laddr) in conflicting
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return "another process"


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
