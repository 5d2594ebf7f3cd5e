"""What Envoy is started with: one listener for HTTP/1.1 and gRPC, and the files that hold everything else.

bootstrap("127.64", folder)       # text of a JSON file; pure
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from rehearsal.cluster.gateway.resources import CLUSTERS_FILE, ROUTE_NAME, ROUTES_FILE

__all__ = ["bootstrap"]

_API: Final = "type.googleapis.com/envoy.extensions"
_MOST_CONNECTIONS: Final = 50_000
_BODY_BYTES: Final = 16 * 2**20
"""A request that may be tried again is kept until it is answered, up to this size."""


def bootstrap(address: str, port: int, admin_address: str, folder: Path) -> str:
    """The configuration that does not change.

    Args:
        address: Where the listener is.
        port: Its port.
        admin_address: Where Envoy's own pages are, at a port that Envoy picks.
        folder: With the files of `resource_files`, as an absolute path.
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
        "codec_type": "AUTO",  # the first bytes tell HTTP/1.1 from h2c
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
