"""The process that holds a cluster: it starts every program, answers commands, and ends every program.

    python -m rehearsal.cluster.controlplane.supervisor < order.json

`Order` comes on the standard input; progress goes to the standard output, a JSON object a line: `{"works": "etcd",
"after_s": 0.4}`, and at the end `{"up": …}` or `{"error": …, "exit_status": …}`. Whoever started it and goes away
before that ends it. All programs end with it, however it ends.
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
from multiprocessing.connection import Connection as Line
from multiprocessing.connection import Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

from rehearsal.cluster.connection import Connection
from rehearsal.cluster.controlplane.layout import NAMESPACE, Site, prepare_site
from rehearsal.cluster.controlplane.network import claim_network, require_ports
from rehearsal.cluster.controlplane.owner import Owner, wait_for_end
from rehearsal.cluster.controlplane.process_manager import Fleet
from rehearsal.cluster.controlplane.spec import LOCK, Order, locked
from rehearsal.cluster.controlplane.startup import bring_up
from rehearsal.errors import ClusterError
from slipway.errors import SlipwayError
from slipway.platform.ports import free_port
from slipway.platform.signals import raise_interrupt

__all__ = ["begin"]


def begin(order: Order) -> None:
    """Bring a cluster up, hold it until somebody asks for its end, and take it down.

    Raises:
        RehearsalError: It does not come up; nothing is left running.
    """
    with locked(order.folder):
        for leftover in order.folder.iterdir():  # of a cluster that was killed: its programs died with it
            if leftover.name != LOCK:
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        network, claim = claim_network()
        require_ports(network)
        site = prepare_site(
            order.folder,
            network=network,
            executables=order.executables,
            module_files=order.module_files,
            nodes=order.nodes,
        )
        _hold(site, claim, order.owner)
        with suppress(OSError):
            shutil.rmtree(order.folder)


def _hold(site: Site, claim: socket.socket, owner: Owner | None) -> None:
    fleet, end = Fleet(site.logs), threading.Event()
    key = secrets.token_hex(32)
    port = free_port(site.address)
    # The key is asked for by the thread of each line: one that says nothing keeps nobody else waiting.
    with claim, Listener((site.address, port)) as listener:
        arguments = (listener, bytes.fromhex(key), fleet, end)
        threading.Thread(target=_answer, args=arguments, name="control", daemon=True).start()
        connection = _connection(site, key=key, port=port)
        try:
            bring_up(site, fleet, connection, _tell_works)
            _tell({"up": connection.model_dump(mode="json")})
            _leave_terminal(site.logs)
            wait_for_end(end, owner)
        finally:
            fleet.stop_all()


def _connection(site: Site, *, key: str, port: int) -> Connection:
    return Connection(
        folder=site.folder,
        network=site.network,
        kubeconfig=site.kubeconfig,
        apiserver_url=site.apiserver_url,
        prometheus_url=site.prometheus_url,
        gateway_url=site.gateway_url,
        namespace=NAMESPACE,
        model_store=site.model_store,
        nodes=site.nodes,
        executables=dict(site.executables),
        control_address=(site.address, port),
        control_key=key,
        supervisor_pid=os.getpid(),
    )


def _answer(listener: Listener, key: bytes, fleet: Fleet, end: threading.Event) -> None:
    while not end.is_set():
        try:
            line = listener.accept()
        except (OSError, EOFError):
            continue
        threading.Thread(target=_serve, args=(line, key, fleet, end), daemon=True).start()


def _serve(line: Line, key: bytes, fleet: Fleet, end: threading.Event) -> None:
    with line, suppress(OSError, EOFError, AuthenticationError):
        deliver_challenge(line, key)
        answer_challenge(line, key)
        question = line.recv()
        try:
            line.send({"said": _obey(question, fleet, end)})
        except SlipwayError as exc:
            line.send({"error": str(exc)})
        except Exception:  # noqa: BLE001 - whoever asked must get an answer
            line.send({"error": traceback.format_exc()})


def _obey(question: dict[str, Any], fleet: Fleet, end: threading.Event) -> Any:  # noqa: ANN401 - JSON
    match question:
        case {"do": "status"}:
            return [state.model_dump(mode="json") for state in fleet.states()]
        case {"do": "stop", "program": str(name), "kill": bool(kill)}:
            return fleet.stop(name, kill=kill)
        case {"do": "start", "program": str(name)}:
            return fleet.restart(name)
        case {"do": "down"}:
            return end.set()
        case _:
            raise ClusterError(f"expected status, stop, start or down, got {question!r}")


def _tell_works(name: str, after_s: float) -> None:
    _tell({"works": name, "after_s": round(after_s, 2)})


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _leave_terminal(logs: Path) -> None:
    """From here on nobody listens: both streams go to a log, and the pipe is closed."""
    with (logs / "supervisor.log").open("ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)


def _main() -> int:
    # Ctrl-C in the terminal is for whoever started this; they send SIGTERM when they give up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, raise_interrupt)
    order = Order.model_validate_json(sys.stdin.buffer.read())
    try:
        begin(order)
    except SlipwayError as exc:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # all has ended already
        with suppress(OSError):
            _tell({"error": str(exc), "exit_status": exc.exit_status})
        return exc.exit_status
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    except Exception:  # whoever started this must learn of it
        with suppress(OSError):
            _tell({"error": f"the supervisor failed:\n{traceback.format_exc()}", "exit_status": 3})
        raise
    return 0


if __name__ == "__main__":
    sys.exit(_main())
