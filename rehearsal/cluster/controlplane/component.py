"""A program of the cluster: how it is started, and how one sees that it does its work."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["Component", "NotYet"]


class NotYet(Exception):
    """It does not do its work now; says what was expected and what came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One program.

    Attributes:
        name: As in the log's name and in `slipway cluster status`.
        command: The program and its arguments.
        healthy: Returns when the program does its work; raises NotYet, ApiError, OSError or httpx.HTTPError when it
            does not.
        does: What `healthy` has seen, for people.
        environment: Variables beside this process's.
        grace_s: How long it may take to end.
        last_signal: What the kernel sends it when the supervisor is gone. SIGTERM only for what has something to end
            first: a kube-apiserver that is asked to end may wait for minutes for an etcd that is gone already.
    """

    name: str
    command: tuple[str, ...]
    healthy: Callable[[], None]
    does: str
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = 3.0
    last_signal: signal.Signals = signal.SIGKILL
