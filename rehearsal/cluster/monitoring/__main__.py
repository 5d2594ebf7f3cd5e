"""Writes Prometheus' files whenever the operator changed its own, and makes Prometheus reload them.

python -m rehearsal.cluster.monitoring --cluster FOLDER       # until SIGTERM
"""

from __future__ import annotations

import asyncio
import logging
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Final

import httpx

from rehearsal.cluster.api.client import ApiClient
from rehearsal.cluster.api.watch import Snapshot, follow
from rehearsal.cluster.background import mark_ready, run_background
from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.monitoring.custom_resources import NAMESPACE
from rehearsal.cluster.monitoring.files import FOLLOWED, RehearsedFiles, rehearsed_files, write_files

_GATHER_S: Final = 0.1
"""The operator writes several objects for one change."""
_ASK_AGAIN_S: Final = 0.5

_log = logging.getLogger("rehearsal.cluster.monitoring")


async def run_monitoring(connection: ClusterConnection, *, longest_alert_wait_s: float) -> None:
    """Keep Prometheus' configuration equal to the operator's.

    Args:
        connection: The cluster.
        longest_alert_wait_s: Upper limit of the `for:` of alerts.

    Raises:
        ClusterError: The API server rejects the requests.
        OSError: A file cannot be written.
    """
    snapshots: dict[str, Snapshot] = {kind: {} for kind in FOLLOWED}
    changed = asyncio.Event()

    async def keep(api: ApiClient, kind: str, query: Mapping[str, str]) -> None:
        async for snapshot in follow(api, f"/api/v1/namespaces/{NAMESPACE}/{kind}", query=query):
            snapshots[kind] = snapshot
            changed.set()

    async def update(prometheus: httpx.AsyncClient) -> None:
        loaded: RehearsedFiles | None = None
        while True:
            await changed.wait()
            await asyncio.sleep(_GATHER_S)
            changed.clear()
            files = rehearsed_files(
                snapshots["secrets"], snapshots["configmaps"], connection.folder, longest_wait_s=longest_alert_wait_s
            )
            if files is None or files == loaded:
                continue
            write_files(connection.folder, files)
            answer = await _reload(prometheus, changed)
            if answer is not None:
                loaded = files
                if answer.is_success:
                    mark_ready(connection, "rehearsal.cluster.monitoring")

    async with (
        ApiClient.from_kubeconfig(connection.kubeconfig) as api,
        httpx.AsyncClient(base_url=connection.prometheus_url, trust_env=False, timeout=10) as prometheus,
        asyncio.TaskGroup() as tasks,
    ):
        for kind, query in FOLLOWED.items():
            tasks.create_task(keep(api, kind, query))
        tasks.create_task(update(prometheus))


async def _reload(prometheus: httpx.AsyncClient, changed: asyncio.Event) -> httpx.Response | None:
    """Request a reload until Prometheus responds; None if there are newer files before that.

    A stopped Prometheus reads them at its start, and again at the reload.
    """
    while not changed.is_set():
        try:
            answer = await prometheus.post("/-/reload")
        except httpx.TransportError:
            await asyncio.sleep(_ASK_AGAIN_S)
            continue
        if answer.is_success:
            _log.info("Prometheus reads a new configuration")
        else:
            _log.error("Prometheus rejects the configuration and keeps the previous one: %s", answer.text.strip())
        return answer
    return None


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--longest-alert-wait-s",
        type=float,
        default=15.0,
        help="upper limit of the alerts' `for:`, in seconds; default %(default)s",
    )


if __name__ == "__main__":
    run_background(
        "rehearsal.cluster.monitoring",
        lambda connection, arguments: run_monitoring(connection, longest_alert_wait_s=arguments.longest_alert_wait_s),
        options=_options,
    )
