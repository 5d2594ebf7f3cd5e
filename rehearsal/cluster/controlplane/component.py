"""A program of the cluster: its command and its health check."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["Component", "NotYet"]


class NotYet(Exception):
    """The health check failed; says what was expected and what it got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One program.

    Attributes:
        name: As in the log's name and in `slipway cluster status`.
        command: The program and its arguments.
        healthy: The health check: returns if the program does its work, else raises NotYet, ApiError, OSError or
            httpx.HTTPError.
        does: What `healthy` has checked, in words.
        environment: Variables beside this process's.
        grace_s: How long it may take to end.
        last_signal: Sent by the kernel when the supervisor is gone. SIGTERM only for programs that must clean up first:
            a kube-apiserver that gets it may wait for minutes for an etcd that is gone already.
    """

    name: str
    command: tuple[str, ...]
    healthy: Callable[[], None]
    does: str
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = 3.0
    last_signal: signal.Signals = signal.SIGKILL
