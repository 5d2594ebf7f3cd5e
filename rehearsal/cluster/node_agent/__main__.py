"""`python -m rehearsal.cluster.node_agent --cluster FOLDER ...`: see the package."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from rehearsal.cluster.background import run_background
from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.node_agent.agent import Agent
from rehearsal.cluster.node_agent.log_server import Listen, serving_logs


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--restart-backoff-s", type=float, default=10.0, help="shortest wait before a container is restarted again"
    )
    parser.add_argument(
        "--listen", required=True, metavar="HOST:PORT", help="address at which the kube-apiserver requests logs"
    )
    parser.add_argument("--tls-cert-file", type=Path, required=True, help="PEM file: server certificate")
    parser.add_argument("--tls-private-key-file", type=Path, required=True, help="PEM")
    parser.add_argument(
        "--client-ca-file", type=Path, required=True, help="PEM file: CA of the kube-apiserver's client certificate"
    )


async def _run(connection: ClusterConnection, options: Namespace) -> None:
    agent = Agent(connection, restart_backoff_s=options.restart_backoff_s)
    host, _, port = options.listen.rpartition(":")
    listen = Listen(
        host=host,
        port=int(port),
        certificate=options.tls_cert_file,
        key=options.tls_private_key_file,
        authority=options.client_ca_file,
    )
    async with serving_logs(connection.logs / "pods", pod=agent.pod, listen=listen):
        await agent.run()


if __name__ == "__main__":
    run_background("rehearsal.cluster.node_agent", _run, options=_options)
