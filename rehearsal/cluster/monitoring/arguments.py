"""Arguments of the two programs: the Prometheus operator, and the Prometheus that it writes for.

The operator also needs the environment variable KUBECONFIG. It is ready when `/healthz` at its address answers 200;
what it does shows in the Secret `prometheus-rehearsal` of the namespace `monitoring`.
"""

from __future__ import annotations

from pathlib import Path

from rehearsal.cluster.monitoring.configuration import initial_configuration
from slipway.platform.atomic_write import write_atomically

__all__ = ["configuration_file", "operator_arguments", "prometheus_arguments", "prometheus_folder"]


def operator_arguments(address: str) -> tuple[str, ...]:
    """Arguments of the program `operator`.

    Args:
        address: host:port of its metrics and health.
    """
    # Nodes are simulated: there are no kubelets to scrape.
    return (f"--web.listen-address={address}", "--kubelet-endpoints=false", "--log-level=warn")


def prometheus_arguments(folder: Path, address: str) -> tuple[str, ...]:
    """Arguments of the program `prometheus`; its configuration file is made where there is none yet.

    Args:
        folder: The cluster's working folder.
        address: host:port, that of `ClusterConnection.prometheus_url`.

    Raises:
        OSError: The file cannot be written.
    """
    file = configuration_file(folder)
    if not file.exists():
        write_atomically(file, initial_configuration())
    return (
        f"--config.file={file}",
        f"--storage.tsdb.path={prometheus_folder(folder) / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    )


def prometheus_folder(folder: Path) -> Path:
    """Prometheus' configuration, rules and data."""
    return folder / "prometheus"


def configuration_file(folder: Path) -> Path:
    """What Prometheus reads when it starts and when it is told to reload."""
    return prometheus_folder(folder) / "prometheus.yaml"
