"""How a command talks to the supervisor of a running cluster.

control = Control(read_connection(folder))
control.status()                          # a ProgramState for each program
control.stop("prometheus", kill=True)
control.start("prometheus")
control.down()
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from typing import Any

from rehearsal.cluster.connection import Connection
from rehearsal.cluster.controlplane.process_manager import ProgramState
from rehearsal.errors import ClusterError, NoCluster

__all__ = ["Control"]

_ANSWER_S = 120.0
"""Longer than any question takes: all programs looked at, or one that is ended by force."""


class Control:
    """A cluster's supervisor, by its address; each call is a connection of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def status(self) -> list[ProgramState]:
        """Every program, asked now.

        Raises:
            NoCluster: The supervisor does not answer.
        """
        return [ProgramState.model_validate(each) for each in self._ask({"do": "status"})]

    def stop(self, program: str, *, kill: bool = False) -> None:
        """End a program, with `kill` at once.

        Raises:
            ClusterError: There is no such program.
            NoCluster: The supervisor does not answer.
        """
        self._ask({"do": "stop", "program": program, "kill": kill})

    def start(self, program: str) -> None:
        """Start a program again; raises as `stop`, and when it runs already."""
        self._ask({"do": "start", "program": program})

    def down(self) -> None:
        """Ask for the end of everything; returns when it has begun.

        Raises:
            NoCluster: The supervisor does not answer.
        """
        self._ask({"do": "down"})

    def _ask(self, question: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        address = self._connection.control_address
        try:
            answer = self._answer(question)
        except (OSError, EOFError, AuthenticationError) as exc:
            raise NoCluster(
                f"the cluster in {self._connection.folder} does not answer at {address[0]}:{address[1]} ({exc!r}): "
                "it was killed, or the machine was restarted; `slipway cluster up` begins anew"
            ) from exc
        if "error" in answer:
            raise ClusterError(answer["error"])
        return answer["said"]

    def _answer(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """In a thread, for the library has no time-out: a supervisor that is stopped, not dead, says nothing."""
        said: queue.SimpleQueue[Mapping[str, Any] | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                key = bytes.fromhex(self._connection.control_key)
                with Client(self._connection.control_address, authkey=key) as line:
                    line.send(question)
                    said.put(line.recv())
            except Exception as exc:  # noqa: BLE001 - raised by whoever waits
                said.put(exc)

        threading.Thread(target=ask, name="control", daemon=True).start()
        try:
            answer = said.get(timeout=_ANSWER_S)
        except queue.Empty:
            raise TimeoutError(f"no answer within {_ANSWER_S:.0f} s") from None
        if isinstance(answer, Exception):
            raise answer
        return answer
