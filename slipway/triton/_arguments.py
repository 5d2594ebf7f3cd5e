"""Settings as tritonserver's command line. Nothing is looked up here, so that others can compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.triton._access import AdminKey
    from slipway.triton._ports import Ports
    from slipway.triton._settings import ServerSettings


def arguments(
    settings: ServerSettings,
    ports: Ports,
    backend_directory: Path | None,
    *,
    admin: AdminKey,
    shared_memory: str,
    gpu_metrics: bool = True,
) -> tuple[str, ...]:
    """Write tritonserver's arguments.

    Models are loaded by name, because a model that was never published would otherwise keep the whole server
    from starting. Nothing completes a configuration: what the repository says is what is served.

    Args:
        settings: What is served, and how.
        ports: Where.
        backend_directory: Folder that holds `onnxruntime/`; None is the server's own default.
        admin: Who knows it may load models, map memory, set traces and logs; nobody else may.
        shared_memory: What the names of the Python backend's shared memory begin with, before a hyphen.
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
        f"--backend-config=python,shm-region-prefix-name={shared_memory}-",
        f"--exit-timeout-secs={settings.exit_timeout_s}",
        *(admin.arguments if settings.restrict_admin_apis else ()),
        *settings.extra_args,
    )
