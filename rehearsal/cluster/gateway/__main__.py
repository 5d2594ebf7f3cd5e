"""Gateway process: starts Envoy, and updates it after every change of pods, InferenceServices and HTTPRoutes.

python -m rehearsal.cluster.gateway --cluster FOLDER       # until SIGTERM, or Envoy ends
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rehearsal.cluster.api.client import ApiClient
from rehearsal.cluster.api.watch import Snapshot, follow
from rehearsal.cluster.background import run_background
from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.gateway.envoy import ENVOY_LOG, gateway_folder, start_envoy, write_resources
from rehearsal.cluster.gateway.services import SERVICE_LABEL, known_services
from rehearsal.errors import ProgramDied
from slipway.platform.processes import ChildProcess

_FOLLOWED: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "pods": ("/api/v1/pods", {"labelSelector": f"{SERVICE_LABEL},component=predictor"}),
    "inference services": ("/apis/serving.kserve.io/v1beta1/inferenceservices", {}),
    "routes": ("/apis/gateway.networking.k8s.io/v1/httproutes", {}),
}
_LOOK_S: Final = 0.2
"""Interval at which the thread that waits for Envoy's end checks for cancellation."""
_GATHER_S: Final = 0.02
"""Changes within this interval are written together."""

_log = logging.getLogger("rehearsal.cluster.gateway")


async def run_gateway(connection: ClusterConnection) -> None:
    """Run Envoy and keep it up to date.

    Raises:
        ProgramDied: Envoy ended, with the end of its log.
        ClusterError: The API server rejects the requests.
        OSError: Envoy cannot be started, or its files cannot be written.
    """
    envoy = start_envoy(connection)
    try:
        async with ApiClient.from_kubeconfig(connection.kubeconfig) as api:
            await _keep_up_to_date(connection, api, envoy)
    finally:
        envoy.kill()
        envoy.wait(timeout_s=5)


async def _keep_up_to_date(connection: ClusterConnection, api: ApiClient, envoy: ChildProcess) -> None:
    snapshots: dict[str, Snapshot] = {what: {} for what in _FOLLOWED}
    changed = asyncio.Event()

    async def keep(what: str, path: str, query: Mapping[str, str]) -> None:
        async for snapshot in follow(api, path, query=query):
            snapshots[what] = snapshot
            changed.set()

    async def update() -> None:
        while True:
            await changed.wait()
            await asyncio.sleep(_GATHER_S)
            changed.clear()
            services = known_services(snapshots["pods"], snapshots["inference services"], snapshots["routes"])
            if write_resources(gateway_folder(connection), services):
                known = [f"{s.namespace}/{s.name}: {len(s.endpoints)} ready" for s in services]
                _log.info("%s", ", ".join(known) or "no service")

    async with asyncio.TaskGroup() as tasks:
        for what, (path, query) in _FOLLOWED.items():
            tasks.create_task(keep(what, path, query))
        tasks.create_task(update())
        tasks.create_task(_look_after(envoy, connection.logs / ENVOY_LOG))


async def _look_after(envoy: ChildProcess, log: Path) -> None:
    while await asyncio.to_thread(envoy.wait, _LOOK_S) is None:
        pass
    text = await asyncio.to_thread(log.read_text, encoding="utf-8", errors="replace")
    last_lines = "\n".join(text.splitlines()[-5:])
    raise ProgramDied(f"Envoy ended with exit code {envoy.exit_code}; its last lines:\n{last_lines}")


if __name__ == "__main__":
    run_background("rehearsal.cluster.gateway", lambda connection, _: run_gateway(connection))
