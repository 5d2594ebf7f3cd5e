"""The supervisor of a cluster answers its client, and only that one, over a real connection."""

import os
import secrets
import sys
import threading
from multiprocessing.connection import Listener

import pytest

from rehearsal.cluster.controlplane import supervisor
from rehearsal.cluster.controlplane.process_manager import Component, ProcessManager
from rehearsal.cluster.controlplane.supervisor_client import SupervisorClient
from rehearsal.errors import ClusterError, NoCluster
from tests.unit import clusters


@pytest.fixture
def supervised(tmp_path):
    """A program, and a supervisor that listens: its connection, and the event that is its end."""
    processes, end, key = ProcessManager(tmp_path), threading.Event(), secrets.token_hex(32)
    sleeper = Component(
        name="sleeper",
        command=(sys.executable, "-c", "import time; time.sleep(600)"),
        healthy=lambda: None,
        does="sleeps",
    )
    processes.start(sleeper)
    with Listener(("127.0.0.1", 0)) as listener:
        arguments = (listener, bytes.fromhex(key), processes, end)
        threading.Thread(target=supervisor._accept, args=arguments, daemon=True).start()
        yield clusters.connection(control_address=listener.address, control_key=key, supervisor_pid=os.getpid()), end
        end.set()
        processes.stop_all()


def test_status_stop_and_start_of_a_program(supervised):
    client = SupervisorClient(supervised[0])
    (before,) = client.status()
    client.stop("sleeper", kill=True)
    (stopped,) = client.status()
    client.start("sleeper")
    (after,) = client.status()

    assert (True, "sleeps") == (before.healthy, before.said)
    assert (False, None) == (stopped.healthy, stopped.pid)
    assert after.healthy
    assert after.pid not in (None, before.pid)


def test_down_is_the_end(supervised):
    connection, end = supervised
    SupervisorClient(connection).down()

    assert end.is_set()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"do": "stop", "program": "no-such", "kill": False}, "no-such"),
        ({"do": "stop", "program": "sleeper"}, "expected status, stop, start or down"),
        ({"do": "explode"}, "expected status, stop, start or down, got"),
        ("status", "expected status, stop, start or down, got 'status'"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_with_an_error(supervised, request_, message):
    with pytest.raises(ClusterError, match=message):
        SupervisorClient(supervised[0])._call(request_)

    assert 1 == len(SupervisorClient(supervised[0]).status())


def test_a_client_without_the_key_is_not_served(supervised):
    connection, end = supervised
    stranger = connection.model_copy(update={"control_key": "00" * 32})
    with pytest.raises(NoCluster, match="does not answer"):
        SupervisorClient(stranger).down()

    assert not end.is_set()
