"""The rehearsal's Python programs: node agent, gateway, monitoring."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path

import httpx

from rehearsal.cluster.connection import GATEWAY_READY_PATH
from rehearsal.cluster.controlplane.layout import ClusterLayout
from rehearsal.cluster.controlplane.process_manager import Component, NotYet

__all__ = ["agent", "gateway", "monitoring"]


def agent(layout: ClusterLayout) -> Component:
    """The node agent, which replaces the kubelet for real pods: their lifecycle and logs."""
    pki = layout.pki
    options = (
        f"--listen={layout.listener('kubelet')}",
        f"--tls-cert-file={pki.server.certificate}",
        f"--tls-private-key-file={pki.server.key}",
        f"--client-ca-file={pki.authority}",
    )
    return _component(layout, "agent", *options, package="node_agent", does="follows pods and nodes", grace_s=12)


def gateway(layout: ClusterLayout) -> Component:
    """Envoy in front of the ready pods."""
    url = f"{layout.gateway_url}{GATEWAY_READY_PATH}"

    def healthy() -> None:
        answer = httpx.get(url, timeout=5, trust_env=False)
        if answer.is_error:
            raise NotYet(f"{url}: expected 200, got {answer.status_code}")

    return replace(_component(layout, "gateway", does="answers requests"), healthy=healthy)


def monitoring(layout: ClusterLayout) -> Component:
    """The monitoring program, which copies the operator's configuration to Prometheus."""
    return _component(layout, "monitoring", does="copied the operator's configuration to Prometheus")


def _component(
    layout: ClusterLayout, name: str, *options: str, does: str, package: str = "", grace_s: float = 5
) -> Component:
    """The program in the package `rehearsal.cluster.<package>`; the package defaults to the program's name."""
    package = package or name
    ready = layout.folder / f"{package}.ready"
    return Component(
        name=name,
        command=(sys.executable, "-P", "-m", f"rehearsal.cluster.{package}", "--cluster", str(layout.folder), *options),
        healthy=lambda: _require_file(ready),
        does=does,
        grace_s=grace_s,
        last_signal=signal.SIGTERM,
    )


def _require_file(path: Path) -> None:
    if not path.exists():
        raise NotYet(f"expected {path.name}, which it writes once it has read the cluster; it does not exist yet")
