"""Render settings as tritonserver's command line, with its admin key. Pure.

Permission to load a model is permission to run code: `POST /v2/repository/models/x/load` takes the files of a Python
model. Shared memory, trace and log settings read and write this machine. tritonserver rejects all of these without
the key.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.triton._ports import Ports
    from slipway.triton._settings import ServerSettings


_HEADER = "slipway-admin"
_GRPC_PREFIX = "triton-grpc-protocol-"  # tritonserver puts it before the name that its option gives
_RESTRICTED_APIS = "model-repository,shared-memory,trace,logging"


def _new_secret() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminKey:
    """The key to one tritonserver, new at each start of one.

    tritonserver takes it on its command line only, which other users of the machine can read: see SECURITY.md.

    Attributes:
        secret: Text that `repr` hides.
    """

    secret: str = field(default_factory=_new_secret, repr=False)

    @property
    def arguments(self) -> tuple[str, ...]:
        """For tritonserver's command line."""
        restricted = f"{_RESTRICTED_APIS}:{_HEADER}={self.secret}"
        return (f"--http-restricted-api={restricted}", f"--grpc-restricted-protocol={restricted}")

    @property
    def http_headers(self) -> dict[str, str]:
        """What an HTTP request sends along."""
        return {_HEADER: self.secret}

    @property
    def grpc_metadata(self) -> dict[str, str]:
        """What a gRPC call sends along."""
        return {f"{_GRPC_PREFIX}{_HEADER}": self.secret}


def arguments(
    settings: ServerSettings,
    ports: Ports,
    backend_directory: Path | None,
    *,
    admin: AdminKey,
    shared_memory: str | None,
    gpu_metrics: bool = True,
) -> tuple[str, ...]:
    """Write tritonserver's arguments.

    Models are loaded by name, because a model that was never published would otherwise keep the whole server
    from starting. Nothing completes a configuration: what the repository says is what is served.

    Args:
        settings: Settings of the server.
        ports: Where.
        backend_directory: Folder that holds `onnxruntime/`; None is the server's own default.
        admin: The key for loading models, mapping memory, and setting traces and logs, which require this key.
        shared_memory: What the names of the Python backend's shared memory begin with, before a hyphen; None where
            that backend is not used.
        gpu_metrics: False for a tritonserver that has no GPU support, which warns about it otherwise.
    """
    models = settings.models or ("*",)
    return (
        f"--model-repository={settings.repository}",
        "--model-control-mode=explicit",
        *(f"--load-model={model}" for model in models),
        *((f"--model-config-name={settings.config_name}",) if settings.config_name else ()),
        # Takes no value: tritonserver 2.51 refuses `=true`.
        "--disable-auto-complete-config",
        *((f"--backend-directory={backend_directory}",) if backend_directory else ()),
        f"--http-address={settings.address}",
        f"--http-port={ports.http}",
        f"--grpc-address={settings.address}",
        f"--grpc-port={ports.grpc}",
        f"--metrics-address={settings.address}",
        f"--metrics-port={ports.metrics}",
        *(() if gpu_metrics else ("--allow-gpu-metrics=false",)),
        *((f"--backend-config=python,shm-region-prefix-name={shared_memory}-",) if shared_memory else ()),
        f"--exit-timeout-secs={settings.exit_timeout_s}",
        *(admin.arguments if settings.restrict_admin_apis else ()),
        *settings.extra_args,
    )
