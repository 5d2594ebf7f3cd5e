"""A tritonserver on this machine, from start to the answer to its last request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, NoReturn, Self

from slipway.platform.cache import cache_folder
from slipway.triton._errors import PortTaken, ServeError
from slipway.triton._launch import Launch, prepare
from slipway.triton._run_folder import RunFolder
from slipway.triton._running import RunningServer, http_get

if TYPE_CHECKING:
    from types import TracebackType

    from slipway.triton._arguments import AdminKey
    from slipway.triton._settings import ServerSettings

_STARTS = 3
_CHECK_S = 0.5


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
        self._folder: RunFolder | None = None
        self._launch: Launch | None = None
        self._server: RunningServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until every model is ready.

        A free port that another process took meanwhile is replaced.

        Raises:
            ServeError: Nothing is left running. See `slipway.triton` for the kinds.
        """
        if self._server is not None:
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

    def restart(self) -> None:
        """End what is left of the server and start it again: the same files, ports and key.

        Raises:
            FilesRemoved: Its model folder was removed; a permanent error.
            ServeError: It does not start. It can be tried again.
        """
        if self._server is None:
            raise ServeError("this tritonserver is not started")
        self._server.stop()
        self._launched.refuse_removed()
        self._run(self._launched)

    @property
    def http_url(self) -> str:
        """Such as `http://127.0.0.1:8000`."""
        return self._launched.http_url

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
    def skipped(self) -> tuple[str, ...]:
        """Why a newer version than the one that is served is not: one text for each."""
        return self._launched.skipped

    @property
    def left_out(self) -> tuple[str, ...]:
        """Why a published model is not served, where no model was named: one text for each."""
        return self._launched.left_out

    @property
    def fallback(self) -> str:
        """Why the Python backend runs the models and not the native one; empty unless it is a fallback."""
        return self._launched.fallback

    @property
    def gpus(self) -> tuple[str, ...]:
        """Names of the GPUs that the models may use; empty without `gpu`."""
        return self._launched.gpus

    @property
    def pid(self) -> int:
        """Process id of tritonserver."""
        return self._running.process.pid

    def models(self) -> tuple[ServedModel, ...]:
        """Ask the server what it serves.

        Raises:
            ServeError: It does not answer.
        """
        return tuple(self._ask(name) for name in self._launched.models)

    def _ask(self, model: str) -> ServedModel:
        try:
            status, body = http_get(self.http_url, f"/v2/models/{model}", timeout_s=10)
        except (OSError, HTTPException) as exc:
            raise ServeError(f"tritonserver does not answer on {self.http_url}: {exc}") from exc
        if status != HTTPStatus.OK:
            raise ServeError(f"tritonserver on {self.http_url} does not serve {model!r}: HTTP status {status}")
        document = json.loads(body)
        return ServedModel(name=document["name"], versions=tuple(map(int, document["versions"])))

    def poll(self) -> int | None:
        """The exit code, below zero for a signal; None while the server runs; after `stop` what that has returned."""
        return self._running.poll()

    def wait(self) -> NoReturn:
        """Wait until the server ends by itself, or a process of its backend does.

        Raises:
            ServerDied: The server did. The text begins with the exit code and the reason out of the log.
            BackendDied: A backend process did; the server runs on, and cannot answer everything.
        """
        while True:
            self._running.check(_CHECK_S)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the server's log, also after it ended."""
        return "\n".join(self._server.log_tail(lines)) if self._server is not None else ""

    def stop(self) -> int:
        """Let the server answer what is in flight, and end it; a second call changes nothing.

        Returns:
            The exit code: 0 after a drain, below zero when a signal ended it (a server that was still loading, or
            one that had to be killed because it did not end within `exit_timeout_s`).
        """
        try:
            return self._server.stop() if self._server is not None else 0
        finally:
            self._forget_folder()

    def kill(self) -> None:
        """End it at once, with what it has in flight; for a signal's handler. `stop` clears up."""
        if self._server is not None:
            self._server.process.kill()

    @property
    def _launched(self) -> Launch:
        if self._launch is None:
            raise ServeError("this tritonserver is not started")
        return self._launch

    @property
    def _running(self) -> RunningServer:
        if self._server is None:
            raise ServeError("this tritonserver is not started")
        return self._server

    def _start(self) -> None:
        try:
            self._folder = RunFolder(cache_folder())
            self._launch = prepare(self.settings, self._folder.path)
            self._run(self._launch)
        except BaseException:
            self.kill()  # an interrupt between two steps leaves it running
            self._server = None
            self._forget_folder()
            raise

    def _run(self, launch: Launch) -> None:
        self._server = RunningServer(launch, self.settings)
        try:
            self._server.wait_ready()
            for engines in launch.engines:
                engines.keep()
        except BaseException:
            self._server.stop()
            raise

    def _forget_folder(self) -> None:
        if self._folder is not None:
            self._folder.close()
            self._folder = None
