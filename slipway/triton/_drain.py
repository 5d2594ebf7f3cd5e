"""How a tritonserver is ended without losing what it has begun to answer.

After SIGTERM tritonserver 2.51 takes no new connections and waits, up to its exit timeout, until every HTTP connection
is closed; then until every inference is answered; then until every model is unloaded. An idle connection keeps it for
the whole time, a model whose process is dead is never unloaded, and the last step takes a second and a half however
fast the models are. All are found in its log.

tritonserver counts requests that were answered and those that wait, and not those that run. So our backends count: one
file for each of their instances holds a number, odd while the instance answers.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.triton._errors import ServeError

if TYPE_CHECKING:
    from slipway.platform.processes import ChildProcess
    from slipway.triton._log import ServerLog

__all__ = ["Activity", "drain", "kill"]


_POLL_S = 0.02
_QUIET_S = 1.0
_SENT_S = 0.1
_KILLED_S = 10.0
_EXIT_MARGIN_S = 10.0  # tritonserver unloads its models after the drain, in steps of one second
_WAITS_FOR_CONNECTIONS = re.compile(r"Found [1-9]\d* HTTP service connections")
_WAITS_FOR_MODELS = re.compile(r"Waiting for in-flight requests to complete")
_IN_FLIGHT = re.compile(r"Found (\d+) model versions that have in-flight inferences")
_UNLOADING = re.compile(r"All models are stopped, unloading models")
_LIVE = re.compile(r"Found (\d+) live models")
_UNLOADED = re.compile(r"successfully unloaded '(.+)' version \d+\"$", re.MULTILINE)


class Activity:
    """Whether our backend has a request in hand, by its counters; ask again and again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, bytes] = {}
        self._since_s = time.monotonic()

    def quiet_s(self) -> float:
        """For how long no request was in hand, as far as was watched; 0 where an instance does not count."""
        counters = self._read()
        if not counters or counters != self._seen or any(not count or count[0] % 2 for count in counters.values()):
            self._seen, self._since_s = counters, time.monotonic()
            return 0.0
        return time.monotonic() - self._since_s

    def _read(self) -> dict[str, bytes]:
        try:
            return {path.name: path.read_bytes() for path in self._folder.iterdir()}
        except OSError:
            return {}


def drain(
    process: ChildProcess,
    log: ServerLog,
    activity: Activity,
    *,
    exit_timeout_s: int,
    backend_is_dead: bool,
    unloads_at_once: bool,
    ports: tuple[int, ...],
) -> int:
    """Ask the server to end, wait for what it has in flight, and end it.

    Args:
        process: The server.
        log: Its log.
        activity: Whether a request is in hand.
        exit_timeout_s: tritonserver's exit time-out.
        backend_is_dead: A process of its backend is, so that it cannot unload.
        unloads_at_once: A model that says it is unloaded has nothing left to end; so it is with the native backend.
        ports: Its ports.

    Returns:
        The exit code; below zero, the signal that ended it. 0 where nothing was in flight when it was killed or gave
        up.

    Raises:
        ServeError: It is stuck in the kernel.
    """
    process.terminate()
    deadline = time.monotonic() + exit_timeout_s + _EXIT_MARGIN_S
    last_sent_s = time.monotonic()
    while (exit_code := process.wait(_POLL_S)) is None:
        text = log.text()
        if time.monotonic() > deadline:
            return kill(process)
        sending = _is_sending(process.pid, ports)
        idle = _waits_for_connections(text) and activity.quiet_s() > _QUIET_S and not sending
        if not (unloads_at_once and _is_unloaded(text)) or sending:
            last_sent_s = time.monotonic()
        answered = time.monotonic() - last_sent_s > _SENT_S
        if idle or answered or (backend_is_dead and _UNLOADING.search(text)):
            kill(process)
            return 0
    return 0 if exit_code > 0 and _nothing_was_lost(log.text()) else exit_code


def kill(process: ChildProcess) -> int:
    """End the server at once; returns its exit code.

    Raises:
        ServeError: It does not end, as a process that waits for a driver or a network disk.
    """
    process.kill()
    exit_code = process.wait(_KILLED_S)
    if exit_code is None:
        raise ServeError(
            f"tritonserver (process {process.pid}) did not end within {_KILLED_S:g} s of SIGKILL: it is stuck in the "
            "kernel and keeps its ports; `dmesg` may say why"
        )
    return exit_code


def _waits_for_connections(text: str) -> bool:
    return bool(_WAITS_FOR_CONNECTIONS.search(text)) and not _WAITS_FOR_MODELS.search(text)


def _is_unloaded(text: str) -> bool:
    """Whether every model was, which is after its last answer; the count that tritonserver gives comes a second later.

    What it says before of requests in flight leaves out those that run.
    """
    begun = _UNLOADING.search(text)
    live = _LIVE.search(text, begun.end()) if begun is not None else None
    return live is not None and len(set(_UNLOADED.findall(text, live.start()))) >= int(live[1])


def _is_sending(pid: int, ports: tuple[int, ...]) -> bool:
    """Whether an answer is on its way to a client: bytes that the other side has not confirmed.

    gRPC listens on IPv4 addresses with IPv6 sockets, which are in a table of their own.
    """
    rows: list[list[str]] = []
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()
            rows += [line.split() for line in lines[1:]]
    hexadecimal = tuple(f":{port:04X}" for port in ports)
    return any(row[1].endswith(hexadecimal) and int(row[4].partition(":")[0], 16) > 0 for row in rows)


def _nothing_was_lost(text: str) -> bool:
    """Whether the time was over while it closed connections or unloaded models, with every inference answered."""
    counts = _IN_FLIGHT.findall(text)
    return bool(counts) and counts[-1] == "0" and bool(_UNLOADING.search(text))
