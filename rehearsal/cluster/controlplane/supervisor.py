"""The supervisor of a cluster: starts every program, answers commands, and ends every program.

    python -m rehearsal.cluster.controlplane.supervisor < spec.json

Reads a `ClusterSpec` from the standard input and writes progress to the standard output, a JSON object a line:
`{"works": "etcd", "after_s": 0.4}`, and at the end `{"up": …}` or `{"error": …, "exit_status": …}`. It ends if its
parent exits before that. All programs end with it, however it ends.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

from rehearsal.cluster.connection import ClusterConnection
from rehearsal.cluster.controlplane.layout import NAMESPACE, ClusterLayout, claim_network, prepare_layout, require_ports
from rehearsal.cluster.controlplane.process_manager import ProcessManager
from rehearsal.cluster.controlplane.spec import LOCK, ClusterSpec, Owner, locked, wait_for_end
from rehearsal.cluster.controlplane.startup import bring_up
from rehearsal.errors import ClusterError
from slipway.errors import SlipwayError
from slipway.platform.ports import free_port
from slipway.platform.signals import raise_interrupt

__all__ = ["begin"]


def begin(spec: ClusterSpec) -> None:
    """Start a cluster, keep it running until a client requests its end, and end it.

    Raises:
        RehearsalError: It does not start; nothing is left running.
    """
    with locked(spec.folder):
        for leftover in spec.folder.iterdir():  # of a killed cluster, whose programs died with it
            if leftover.name != LOCK:
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        network, claim = claim_network()
        require_ports(network)
        layout = prepare_layout(
            spec.folder,
            network=network,
            executables=spec.executables,
            module_files=spec.module_files,
            nodes=spec.nodes,
        )
        _run(layout, claim, spec.owner)
        with suppress(OSError):
            shutil.rmtree(spec.folder)


def _run(layout: ClusterLayout, claim: socket.socket, owner: Owner | None) -> None:
    processes, end = ProcessManager(layout.logs), threading.Event()
    key = secrets.token_hex(32)
    port = free_port(layout.address)
    # Each connection is authenticated in its own thread, so that a silent client does not block others.
    with claim, Listener((layout.address, port)) as listener:
        arguments = (listener, bytes.fromhex(key), processes, end)
        threading.Thread(target=_accept, args=arguments, name="control", daemon=True).start()
        connection = _connection(layout, key=key, port=port)
        try:
            bring_up(layout, processes, connection, _report_healthy)
            _report({"up": connection.model_dump(mode="json")})
            _leave_terminal(layout.logs)
            wait_for_end(end, owner)
        finally:
            processes.stop_all()


def _connection(layout: ClusterLayout, *, key: str, port: int) -> ClusterConnection:
    return ClusterConnection(
        folder=layout.folder,
        network=layout.network,
        kubeconfig=layout.kubeconfig,
        apiserver_url=layout.apiserver_url,
        prometheus_url=layout.prometheus_url,
        gateway_url=layout.gateway_url,
        namespace=NAMESPACE,
        model_store=layout.model_store,
        nodes=layout.nodes,
        executables=dict(layout.executables),
        control_address=(layout.address, port),
        control_key=key,
        supervisor_pid=os.getpid(),
    )


def _accept(listener: Listener, key: bytes, processes: ProcessManager, end: threading.Event) -> None:
    while not end.is_set():
        try:
            client = listener.accept()
        except (OSError, EOFError):
            continue
        threading.Thread(target=_serve, args=(client, key, processes, end), daemon=True).start()


def _serve(client: Connection, key: bytes, processes: ProcessManager, end: threading.Event) -> None:
    with client, suppress(OSError, EOFError, AuthenticationError):
        deliver_challenge(client, key)
        answer_challenge(client, key)
        request = client.recv()
        try:
            client.send({"said": _execute(request, processes, end)})
        except SlipwayError as exc:
            client.send({"error": str(exc)})
        except Exception:  # noqa: BLE001 - the client must get a response
            client.send({"error": traceback.format_exc()})


def _execute(request: dict[str, Any], processes: ProcessManager, end: threading.Event) -> Any:  # noqa: ANN401 - JSON
    match request:
        case {"do": "status"}:
            return [state.model_dump(mode="json") for state in processes.states()]
        case {"do": "stop", "program": str(name), "kill": bool(kill)}:
            return processes.stop(name, kill=kill)
        case {"do": "start", "program": str(name)}:
            return processes.restart(name)
        case {"do": "down"}:
            return end.set()
        case _:
            raise ClusterError(f"expected status, stop, start or down, got {request!r}")


def _report_healthy(name: str, after_s: float) -> None:
    _report({"works": name, "after_s": round(after_s, 2)})


def _report(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _leave_terminal(logs: Path) -> None:
    """Redirect both streams to a log: the parent no longer reads the pipe."""
    with (logs / "supervisor.log").open("ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)


def _main() -> int:
    # Ctrl-C in the terminal is handled by the parent, which sends SIGTERM if the start fails.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, raise_interrupt)
    spec = ClusterSpec.model_validate_json(sys.stdin.buffer.read())
    try:
        begin(spec)
    except SlipwayError as exc:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # everything has ended
        with suppress(OSError):
            _report({"error": str(exc), "exit_status": exc.exit_status})
        return exc.exit_status
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    except Exception:  # reported to the parent
        with suppress(OSError):
            _report({"error": f"the supervisor failed:\n{traceback.format_exc()}", "exit_status": 3})
        raise
    return 0


if __name__ == "__main__":
    sys.exit(_main())
