"""The connection to a running cluster: the file from which commands and programs read its addresses.

connection = read_connection(folder)        # <folder>/cluster.json
connection.kubeconfig, connection.prometheus_url
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from rehearsal.cluster.nodes.pools import Nodes
from rehearsal.errors import NoCluster
from slipway.platform.atomic_write import write_atomically

__all__ = ["GATEWAY_READY_PATH", "ClusterConnection", "read_connection", "write_connection"]

FILE = "cluster.json"
GATEWAY_READY_PATH: Final = "/.slipway/ready"
"""Path at which the gateway answers 200 once it has its configuration."""


class ClusterConnection(BaseModel):
    """A running cluster.

    Attributes:
        folder: The working folder: certificates, logs, databases, pods.
        network: First two bytes of this cluster's loopback addresses, such as `127.64`. Programs
            listen on `<network>.0.1`, the gateway on `<network>.0.2`, pods on `<network>.1.1` and following.
        kubeconfig: For kubectl, helm and every other client; an administrator's.
        apiserver_url: https://host:port of the kube-apiserver.
        prometheus_url: http://host:port.
        gateway_url: http://host:port; HTTP/1.1 and gRPC (h2c) on the same port, to the ready predictors.
        namespace: Namespace of the service.
        model_store: The folder behind the claim `models`: pods see its subfolders at /mnt/models.
        nodes: Its node types.
        executables: Path by program name, such as `kubectl`.
        control_address: host and port of the supervisor.
        control_key: Authenticates clients of the supervisor; hexadecimal.
        supervisor_pid: Process id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    network: str
    kubeconfig: Path
    apiserver_url: str
    prometheus_url: str
    gateway_url: str
    namespace: str
    model_store: Path
    nodes: Nodes
    executables: dict[str, Path]
    control_address: tuple[str, int]
    control_key: str
    supervisor_pid: int

    @property
    def logs(self) -> Path:
        """A file `<program>.log` for each program."""
        return self.folder / "logs"

    @property
    def pods(self) -> Path:
        """A folder `<namespace>_<pod>_<uid>` for each pod that the node agent runs."""
        return self.folder / "pods"


def read_connection(folder: Path) -> ClusterConnection:
    """Read the connection file of `slipway cluster up`.

    Raises:
        NoCluster: There is none, or it cannot be read.
    """
    path = folder / FILE
    try:
        return ClusterConnection.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise NoCluster(f"no cluster is up in {folder}: start one with `slipway cluster up`") from exc
    except ValidationError as exc:
        raise NoCluster(
            f"{path}: written by another version of slipway; end that cluster with the version that started it, or "
            f"remove the folder once nothing runs in it, then `slipway cluster up`"
        ) from exc


def write_connection(connection: ClusterConnection) -> None:
    """Write the file, readable for its owner only: it holds the supervisor's key."""
    previous_umask = os.umask(0o077)
    try:
        write_atomically(connection.folder / FILE, connection.model_dump_json(indent=1))
    finally:
        os.umask(previous_umask)
