"""Client of a running cluster's supervisor.

supervisor = SupervisorClient(read_connection(folder))
supervisor.status()                          # a ProgramState for each program
supervisor.stop("prometheus", kill=True)
supervisor.start("prometheus")
supervisor.down()
"""

from __future__ import annotations

from collections.abc import Mapping
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from typing import Any

from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.controlplane.process_manager import ProgramState
from rehearsal.errors import ClusterError, NoCluster
from slipway.platform.daemon_threads import bounded

__all__ = ["SupervisorClient"]

_ANSWER_S = 120.0
"""Time-out, longer than any request takes: a health check of all programs, or the forced end of one."""


class SupervisorClient:
    """Client of a cluster's supervisor; each call opens a connection."""

    def __init__(self, connection: ClusterConnection) -> None:
        self._connection = connection

    def status(self) -> list[ProgramState]:
        """The current state of every program.

        Raises:
            NoCluster: The supervisor does not answer.
        """
        return [ProgramState.model_validate(each) for each in self._call({"do": "status"})]

    def stop(self, program: str, *, kill: bool = False) -> None:
        """End a program, with `kill` at once.

        Raises:
            ClusterError: There is no such program.
            NoCluster: The supervisor does not answer.
        """
        self._call({"do": "stop", "program": program, "kill": kill})

    def start(self, program: str) -> None:
        """Restart a program; raises as `stop`, and if it is running."""
        self._call({"do": "start", "program": program})

    def down(self) -> None:
        """Request the end of the cluster; returns when it has begun.

        Raises:
            NoCluster: The supervisor does not answer.
        """
        self._call({"do": "down"})

    def _call(self, request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        address = self._connection.control_address
        try:
            response = self._send(request)
        except (OSError, EOFError, AuthenticationError) as exc:
            raise NoCluster(
                f"the cluster in {self._connection.folder} does not answer at {address[0]}:{address[1]} ({exc!r}): "
                "it was killed, or the machine was restarted; `slipway cluster up` starts a new one"
            ) from exc
        if "error" in response:
            raise ClusterError(response["error"])
        return response["said"]

    def _send(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """In a thread, since the library has no time-out: a stopped (SIGSTOP) supervisor does not respond."""

        def exchange() -> Mapping[str, Any]:
            key = bytes.fromhex(self._connection.control_key)
            with Client(self._connection.control_address, authkey=key) as client:
                client.send(request)
                response: Mapping[str, Any] = client.recv()
                return response

        return bounded(exchange, limit_s=_ANSWER_S, name="supervisor client")
