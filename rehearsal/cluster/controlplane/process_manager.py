"""The programs of one cluster: what each is, and the process manager that starts, stops and checks them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydantic import BaseModel, ConfigDict

from rehearsal.errors import ApiError, ClusterError, NotHealthy, ProgramDied
from slipway.platform.processes import ChildProcess, signal_name

__all__ = ["Component", "NotYet", "ProcessManager", "ProgramState"]

_POLL_S = 0.1
_LAST_LINES = 12


class NotYet(Exception):
    """The health check failed; says what was expected and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One program.

    Attributes:
        name: Name of its log file, and in `slipway cluster status`.
        command: The program and its arguments.
        healthy: The health check: returns if the program is healthy, otherwise raises NotYet, ApiError, OSError or
            httpx.HTTPError.
        does: Description of what `healthy` checks.
        environment: Additional environment variables.
        grace_s: Time to end after SIGTERM.
        last_signal: Sent by the kernel when the supervisor dies. SIGTERM only for programs that must clean up first:
            a kube-apiserver that gets it may wait for minutes for an etcd that has already ended.
    """

    name: str
    command: tuple[str, ...]
    healthy: Callable[[], None]
    does: str
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = 3.0
    last_signal: signal.Signals = signal.SIGKILL


class ProgramState(BaseModel):
    """The current state of one program.

    Attributes:
        name: Name of the program.
        pid: Process id; None if it is not running.
        healthy: Whether it passes its health check.
        said: Result of the health check, or why it failed, with the last output of a program that ended.
        log: Its log file.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int | None
    healthy: bool
    said: str
    log: Path


class ProcessManager:
    """Runs all programs of a cluster, and stops them in reverse order of their start."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._components: dict[str, Component] = {}
        self._processes: dict[str, ChildProcess] = {}
        self._stopped: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the programs, in the order of their start."""
        return tuple(self._components)

    def start(self, component: Component) -> None:
        """Start or restart a program.

        Raises:
            ClusterError: It runs already, or cannot be started.
        """
        name = component.name
        running = self._processes.get(name)
        if running is not None and running.exit_code is None:
            raise ClusterError(f"{name} runs already, as process {running.pid}")
        self._components[name] = component
        try:
            self._processes[name] = ChildProcess(
                component.command,
                output=self._log(name),
                environment={**os.environ, **component.environment},
                last_signal=component.last_signal,
            )
        except OSError as exc:
            raise ClusterError(f"{name}: {component.command[0]} cannot be started: {exc.strerror}") from exc
        self._stopped.discard(name)

    def restart(self, name: str) -> None:
        """Restart a stopped program; raises as `start`."""
        self.start(self._known(name))

    def stop(self, name: str, *, kill: bool = False) -> None:
        """End a program; with `kill` by SIGKILL.

        Raises:
            ClusterError: There is no such program.
        """
        component = self._known(name)
        self._stopped.add(name)
        process = self._processes[name]
        if kill:
            process.kill()
        process.stop(component.grace_s)

    def stop_all(self) -> None:
        """End every program, in reverse order of their start; the kube-apiserver and its database last."""
        names = list(reversed(self._processes))
        last = [name for name in names if name in {"kube-apiserver", "etcd"}]
        first = [name for name in names if name not in last]
        with ThreadPoolExecutor(max(1, len(first))) as pool:
            list(pool.map(self.stop, first))
        for name in last:
            self.stop(name, kill=True)  # no longer used

    def wait_healthy(self, names: Iterable[str], *, timeout_s: float, tell: Callable[[str, float], None]) -> None:
        """Wait until programs are healthy.

        Args:
            names: Names of the programs.
            timeout_s: Longest wait.
            tell: Called with each healthy program and the seconds since the start.

        Raises:
            ProgramDied: One ended; with its last output.
            NotHealthy: One did not pass its health check in time; with its message.
        """
        began_s = time.monotonic()
        waiting = dict.fromkeys(names, "not checked yet")
        with ThreadPoolExecutor(max(1, len(waiting))) as pool:
            while waiting:
                for state in pool.map(self.state, list(waiting)):
                    if state.healthy:
                        del waiting[state.name]
                        tell(state.name, time.monotonic() - began_s)
                    elif state.pid is None:
                        raise ProgramDied(f"{state.name}: {state.said}\n  its log: {state.log}")
                    else:
                        waiting[state.name] = state.said
                if waiting and time.monotonic() - began_s > timeout_s:
                    lines = [f"{name}: {said}; its log: {self._log(name)}" for name, said in waiting.items()]
                    raise NotHealthy("\n  ".join([f"not healthy after {timeout_s:.0f} s:", *lines]))
                time.sleep(_POLL_S if waiting else 0)

    def states(self) -> list[ProgramState]:
        """All programs, checked in parallel."""
        with ThreadPoolExecutor(max(1, len(self._components))) as pool:
            return list(pool.map(self.state, self._components))

    def state(self, name: str) -> ProgramState:
        """Check one program."""
        component, process = self._components[name], self._processes[name]
        log = self._log(name)
        exit_code = process.exit_code
        if exit_code is not None:
            said = "was stopped" if name in self._stopped else _last_output(exit_code, log)
            return ProgramState(name=name, pid=None, healthy=False, said=said, log=log)
        try:
            component.healthy()
        except (NotYet, ApiError, OSError, httpx.HTTPError) as exc:
            return ProgramState(name=name, pid=process.pid, healthy=False, said=str(exc) or repr(exc), log=log)
        return ProgramState(name=name, pid=process.pid, healthy=True, said=component.does, log=log)

    def _known(self, name: str) -> Component:
        if name not in self._components:
            raise ClusterError(f"expected one of {', '.join(self._components)}, got {name!r}")
        return self._components[name]

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def _last_output(exit_code: int, log: Path) -> str:
    how = signal_name(-exit_code) if exit_code < 0 else f"exit code {exit_code}"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    return "\n    ".join([f"ended with {how}; last output:", *(line[:400] for line in lines)])
