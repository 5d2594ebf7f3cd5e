"""The rehearsal's own processes beside the control plane: node agent, gateway, monitoring."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path

import httpx

from rehearsal.cluster.connection import GATEWAY_READY_PATH
from rehearsal.cluster.controlplane.component import Component, NotYet
from rehearsal.cluster.controlplane.layout import Site

__all__ = ["agent", "gateway", "monitoring"]


def agent(site: Site) -> Component:
    """The kubelet's part for the pods that are real: their life, and their logs."""
    pki = site.pki
    options = (
        f"--listen={site.listener('kubelet')}",
        f"--tls-cert-file={pki.server.certificate}",
        f"--tls-private-key-file={pki.server.key}",
        f"--client-ca-file={pki.authority}",
    )
    return _component(site, "agent", *options, room="node_agent", does="follows pods and nodes", grace_s=12)


def gateway(site: Site) -> Component:
    """Envoy in front of the ready pods."""
    url = f"{site.gateway_url}{GATEWAY_READY_PATH}"

    def healthy() -> None:
        answer = httpx.get(url, timeout=5, trust_env=False)
        if answer.is_error:
            raise NotYet(f"{url}: expected 200, got {answer.status_code}")

    return replace(_component(site, "gateway", does="answers where clients ask"), healthy=healthy)


def monitoring(site: Site) -> Component:
    """Hands the operator's configuration to Prometheus."""
    return _component(site, "monitoring", does="handed the operator's configuration to Prometheus")


def _component(site: Site, name: str, *options: str, does: str, room: str = "", grace_s: float = 5) -> Component:
    """One program: the package `rehearsal.cluster.<room>`, whose name is the program's where it is not given."""
    room = room or name
    ready = site.folder / f"{room}.ready"
    return Component(
        name=name,
        command=(sys.executable, "-P", "-m", f"rehearsal.cluster.{room}", "--cluster", str(site.folder), *options),
        healthy=lambda: _is_there(ready),
        does=does,
        grace_s=grace_s,
        last_signal=signal.SIGTERM,
    )


def _is_there(path: Path) -> None:
    if not path.exists():
        raise NotYet(f"expected it to write {path.name} when it has read the cluster, got nothing so far")
