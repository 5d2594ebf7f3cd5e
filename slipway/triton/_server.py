"""A tritonserver on this machine, from start to the answer to its last request."""

from __future__ import annotations

import re
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import httpx

from slipway.triton._errors import NotReadyInTime, PortTaken, ServeError, ServerDied
from slipway.triton._launch import Launch, prepare
from slipway.triton._log import ServerLog, explain, last_lines
from slipway.triton._ports import port_taken
from slipway.triton._process import ServerProcess

if TYPE_CHECKING:
    from types import TracebackType

    from slipway.triton._access import AdminKey
    from slipway.triton._settings import ServerSettings

_STARTS = 3
_POLL_S = 0.05
_EXIT_MARGIN_S = 10.0  # tritonserver unloads its models after the drain, in steps of one second
_PORT_LOST = re.compile(r"failed to start (?P<name>\w+) service: .*Socket '[\d.]+:(?P<port>\d+)' already in use")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model that answers, and its versions that do."""

    name: str
    versions: tuple[int, ...]


class TritonServer:
    """A real tritonserver as a context manager: ready inside, drained and gone after.

        with TritonServer(ServerSettings(repository=Path("model_repository"))) as server:
            Classifier(server.grpc_url, model="mnist").predict(image)

    It does not outlive this process: when that is killed, the kernel ends tritonserver, which drains.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self._launch: Launch | None = None
        self._process: ServerProcess | None = None
        self._log: ServerLog | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until every model is ready.

        A free port that somebody else took between its choice and its use is replaced by another.

        Raises:
            ServeError: Nothing is left running. See `slipway.triton` for the kinds.
        """
        if self._process is not None:
            raise ServeError("a TritonServer starts once: make another")
        for attempt in range(1, _STARTS + 1):
            try:
                self._start()
            except PortTaken as exc:
                given = (self.settings.http_port, self.settings.grpc_port, self.settings.metrics_port)
                if exc.port in given or attempt == _STARTS:
                    raise
            else:
                return

    @property
    def http_url(self) -> str:
        """Such as `http://127.0.0.1:8000`."""
        return f"http://{self.settings.reachable_address}:{self._launched.ports.http}"

    @property
    def grpc_url(self) -> str:
        """Such as `grpc://127.0.0.1:8001`."""
        return f"grpc://{self.settings.reachable_address}:{self._launched.ports.grpc}"

    @property
    def metrics_url(self) -> str:
        """Such as `http://127.0.0.1:8002/metrics`."""
        return f"http://{self.settings.reachable_address}:{self._launched.ports.metrics}/metrics"

    @property
    def admin(self) -> AdminKey:
        """The key to what changes the server: model control, shared memory, trace and log settings."""
        return self._launched.admin

    @property
    def pid(self) -> int:
        """Process id of tritonserver."""
        return self._running.pid

    def models(self) -> tuple[ServedModel, ...]:
        """Ask the server what it serves.

        Raises:
            ServeError: It does not answer.
        """
        try:
            with _http_client(self.http_url, timeout_s=10) as client:
                answers = [client.get(f"/v2/models/{name}").raise_for_status() for name in self._launched.models]
        except httpx.HTTPError as exc:
            raise ServeError(f"tritonserver does not answer on {self.http_url}: {exc}") from exc
        documents = [answer.json() for answer in answers]
        return tuple(
            ServedModel(name=document["name"], versions=tuple(map(int, document["versions"]))) for document in documents
        )

    def poll(self) -> int | None:
        """The exit code, below zero for a signal; None while the server runs."""
        return self._running.wait(0)

    def wait(self) -> None:
        """Wait until the server ends by itself.

        Raises:
            ServerDied: It did. The text begins with the exit code and the reason out of the log.
        """
        exit_code = self._running.wait(None)
        raise self._died(exit_code or 0)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the server's log, also after it ended."""
        return "\n".join(last_lines(self._log.text(), lines)) if self._log is not None else ""

    def stop(self) -> int:
        """Let the server answer what is in flight, and end it; a second call changes nothing.

        Returns:
            The exit code: 0 after a drain, below zero when a signal ended it (a server that was still loading, or
            one that had to be killed because it did not end within `exit_timeout_s`).
        """
        if self._process is None:
            return 0
        self._process.terminate()
        exit_code = self._process.wait(self.settings.exit_timeout_s + _EXIT_MARGIN_S)
        if exit_code is None:
            self._process.kill()
            exit_code = self._process.wait(None)
        if self._log is not None:
            self._log.close()
        return exit_code or 0

    @property
    def _launched(self) -> Launch:
        if self._launch is None:
            raise ServeError("this tritonserver is not started")
        return self._launch

    @property
    def _running(self) -> ServerProcess:
        if self._process is None:
            raise ServeError("this tritonserver is not started")
        return self._process

    def _start(self) -> None:
        self._launch = prepare(self.settings)
        self._log = ServerLog(self.settings.log_file)
        try:
            self._process = ServerProcess(self._launch, self._log.file)
        except OSError as exc:
            self._log.close()
            raise ServeError(f"cannot start {self._launch.command[0]}: {exc.strerror}") from exc
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            self._process = None
            raise

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + self.settings.ready_timeout_s
        waiting = list(self._launched.models)
        # Short answers only: a port that was lost to somebody who never answers must not hide that ours has died.
        with _http_client(self.http_url, timeout_s=1) as client:
            while waiting:
                exit_code = self._running.wait(_POLL_S)
                if exit_code is not None:
                    raise self._died(exit_code)
                if time.monotonic() > deadline:
                    raise self._late(waiting)
                waiting = [name for name in waiting if not _is_ready(client, name)]

    def _died(self, exit_code: int) -> ServeError:
        text = self._log.text() if self._log is not None else ""
        explanation = explain(text)
        lost = _PORT_LOST.search(text)
        if lost is not None:
            return port_taken(lost["name"].lower(), self.settings.address, int(lost["port"]))
        ended = f"was killed by {_signal(-exit_code)}" if exit_code < 0 else f"ended with code {exit_code}"
        details = "".join(f"\n  {line}" for line in explanation.details)
        return ServerDied(
            f"tritonserver {ended}: {explanation.reason}{details}", exit_code=exit_code, reason=explanation.reason
        )

    def _late(self, waiting: list[str]) -> NotReadyInTime:
        details = "".join(f"\n  {line}" for line in self.log_tail(5).splitlines())
        return NotReadyInTime(
            f"{', '.join(waiting)} not ready within {self.settings.ready_timeout_s:g} s (`--ready-timeout-s`); "
            f"the log ends with:{details}"
        )


def _http_client(url: str, *, timeout_s: float) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=timeout_s, trust_env=False)  # no proxy stands before this machine


def _is_ready(client: httpx.Client, model: str) -> bool:
    try:
        return client.get(f"/v2/models/{model}/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _signal(number: int) -> str:
    name = signal.Signals(number).name
    return f"{name} (by somebody, or by the kernel for want of memory)" if number == signal.SIGKILL else name
