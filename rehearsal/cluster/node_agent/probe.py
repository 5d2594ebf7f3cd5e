"""A container's probes: requests, periods, and thresholds.

probe = read_probe(container, "readinessProbe", ...)
streak = ProbeStreak(probe)
streak.add(passed=True)       # True: the result has changed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["ContainerProbe", "ProbeAction", "ProbeStreak", "read_action", "read_probe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAction:
    """One request to a container.

    Attributes:
        kind: Kind of request.
        host: Address; unused for `exec`.
        port: Port number; 0 for `exec`.
        path: Path of `httpGet`, with a leading slash; service name of `grpc`.
        headers: Headers of `httpGet`.
        tls: Whether `httpGet` uses HTTPS; certificates are not verified.
        command: Command of `exec`.
    """

    kind: Literal["httpGet", "tcpSocket", "grpc", "exec"]
    host: str = ""
    port: int = 0
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    tls: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerProbe:
    """A repeated request. Defaults are Kubernetes' defaults."""

    action: ProbeAction
    initial_delay_s: float = 0
    period_s: float = 10
    timeout_s: float = 1
    failure_threshold: int = 3
    success_threshold: int = 1
    grace_s: float | None = None


class ProbeStreak:
    """The overall result of a probe, which changes after a threshold of equal results in a row."""

    def __init__(self, probe: ContainerProbe, *, passing: bool | None) -> None:
        self.passing = passing
        self._probe = probe
        self._results: tuple[bool, int] = (True, 0)

    def add(self, *, passed: bool) -> bool:
        """Add one result.

        Returns:
            Whether the overall result has changed.
        """
        before, length = self._results
        length = length + 1 if before == passed else 1
        self._results = (passed, length)
        needed = self._probe.success_threshold if passed else self._probe.failure_threshold
        if length < needed or self.passing is passed:
            return False
        self.passing = passed
        return True


def read_probe(container: Mapping[str, Any], name: str, *, address: str) -> ContainerProbe | None:
    """A probe of a container's manifest; None if it declares none.

    Args:
        container: The manifest.
        name: `startupProbe`, `readinessProbe` or `livenessProbe`.
        address: The pod's.

    Raises:
        ValueError: The port's name is no port of the container.
    """
    manifest = container.get(name)
    if not manifest:
        return None
    grace_s = manifest.get("terminationGracePeriodSeconds")
    return ContainerProbe(
        action=read_action(manifest, container, address=address),
        initial_delay_s=manifest.get("initialDelaySeconds") or 0,
        period_s=manifest.get("periodSeconds") or 10,
        timeout_s=manifest.get("timeoutSeconds") or 1,
        failure_threshold=manifest.get("failureThreshold") or 3,
        success_threshold=manifest.get("successThreshold") or 1,
        grace_s=None if grace_s is None else float(grace_s),
    )


def read_action(handler: Mapping[str, Any], container: Mapping[str, Any], *, address: str) -> ProbeAction:
    """The request of a probe or a hook; raises as `read_probe`."""
    if (http := handler.get("httpGet")) is not None:
        path = http.get("path") or "/"
        return ProbeAction(
            kind="httpGet",
            host=http.get("host") or address,
            port=_port(http["port"], container),
            path=path if path.startswith("/") else f"/{path}",
            headers=tuple((header["name"], header["value"]) for header in http.get("httpHeaders") or ()),
            tls=http.get("scheme") == "HTTPS",
        )
    if (tcp := handler.get("tcpSocket")) is not None:
        return ProbeAction(kind="tcpSocket", host=tcp.get("host") or address, port=_port(tcp["port"], container))
    if (grpc := handler.get("grpc")) is not None:
        return ProbeAction(kind="grpc", host=address, port=int(grpc["port"]), path=grpc.get("service") or "")
    if (command := (handler.get("exec") or {}).get("command")) is not None:
        return ProbeAction(kind="exec", command=tuple(command))
    raise ValueError("expected httpGet, tcpSocket, grpc or exec")


def _port(port: str | int, container: Mapping[str, Any]) -> int:
    if isinstance(port, int) or port.isdecimal():
        return int(port)
    for declared in container.get("ports") or ():
        if declared.get("name") == port:
            return int(declared["containerPort"])
    raise ValueError(f"couldn't find port: {port}")
