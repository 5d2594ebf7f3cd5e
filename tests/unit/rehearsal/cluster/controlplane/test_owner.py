"""A cluster ends with the process that it is for; its supervisor answers who has the key, whoever else is silent."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Listener

import pytest

from rehearsal.cluster.controlplane.spec import Owner, wait_for_end
from rehearsal.cluster.controlplane.supervisor import _accept
from rehearsal.cluster.controlplane.supervisor_client import SupervisorClient
from rehearsal.errors import ClusterError, NoCluster
from rehearsal.experiment.run.cluster_sampler import ClusterSampler
from rehearsal.experiment.run.context import RehearsalContext
from rehearsal.experiment.run.fault_injector import FaultInjector
from rehearsal.experiment.scenario.faults import Stop
from slipway.platform.ports import free_port
from tests.unit import clusters

KEY = "ab" * 32


@pytest.fixture
def process():
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


@pytest.mark.timeout(30)  # who waits for more than the owner waits for ever
def test_the_wait_ends_with_an_owner_that_is_killed(process):
    owner = Owner.of(process.pid)
    killing = threading.Timer(0.1, process.kill)
    killing.start()
    wait_for_end(threading.Event(), owner)

    assert not owner.is_running()
    killing.join()


@pytest.mark.timeout(30)
def test_the_wait_ends_when_somebody_asks_for_it_and_the_owner_lives():
    end = threading.Event()
    end.set()
    wait_for_end(end, Owner.of(os.getpid()))
    wait_for_end(end, None)

    assert Owner.of(os.getpid()).is_running()


def test_a_later_process_of_the_same_number_is_not_the_owner():
    now = Owner.of(os.getpid())

    assert not now.model_copy(update={"created": now.created - 60}).is_running()


def test_an_owner_that_is_gone_already_is_refused(process):
    process.kill()
    process.wait()

    with pytest.raises(ClusterError, match=f"--until-exit-of {process.pid}: expected a running process"):
        Owner.of(process.pid)


class NoPrograms:
    """A process manager without programs, which records what it is told to stop."""

    def __init__(self):
        self.stopped = []

    def states(self):
        return []

    def stop(self, name, *, kill):
        self.stopped.append((name, kill))


@pytest.fixture
def programs():
    return NoPrograms()


@pytest.fixture
def supervisor(tmp_path, programs):
    """The answering half of a supervisor; the connection to it."""
    address = ("127.0.0.1", free_port("127.0.0.1"))
    end = threading.Event()
    listener = Listener(address)
    thread = threading.Thread(target=_accept, args=(listener, bytes.fromhex(KEY), programs, end))
    thread.start()
    yield clusters.connection(tmp_path, control_address=address, control_key=KEY)
    end.set()
    with contextlib.suppress(OSError):
        socket.create_connection(address, timeout=5).close()  # it waits for one more
    thread.join(10)
    listener.close()


@pytest.mark.timeout(30)
def test_who_says_nothing_keeps_nobody_from_asking(supervisor):
    with socket.create_connection(supervisor.control_address, timeout=5):
        assert [] == SupervisorClient(supervisor).status()


@pytest.mark.timeout(30)
def test_who_says_nonsense_keeps_nobody_from_asking(supervisor):
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b""):
        with socket.create_connection(supervisor.control_address, timeout=5) as line:
            line.sendall(nonsense)

    assert [] == SupervisorClient(supervisor).status()


def test_a_scenario_that_stops_programs_has_them_killed(supervisor, programs):
    async def stop():
        sampler = ClusterSampler(supervisor)
        context = RehearsalContext(
            plan=None, connection=supervisor, release=None, store=None, sampler=sampler, values={}
        )
        await FaultInjector(context, None).inject(Stop(at_s=0, do="stop", programs=["keda-operator", "prometheus"]))
        return sampler.observations(time.time()).events

    (event,) = asyncio.run(stop())

    assert [("keda-operator", True), ("prometheus", True)] == programs.stopped
    assert not event.warning


def test_who_asks_a_program_to_end_has_none_killed(supervisor, programs):
    SupervisorClient(supervisor).stop("prometheus")

    assert [("prometheus", False)] == programs.stopped


def test_who_has_another_key_is_told_nothing(supervisor):
    with pytest.raises(NoCluster, match="does not answer"):
        SupervisorClient(supervisor.model_copy(update={"control_key": "cd" * 32})).status()


@pytest.mark.timeout(30)
def test_a_supervisor_that_is_stopped_and_not_dead_is_not_waited_for_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("rehearsal.cluster.controlplane.supervisor_client._ANSWER_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = clusters.connection(tmp_path, control_address=silent.getsockname(), control_key=KEY)
        with pytest.raises(NoCluster, match="no answer within 0 s"):
            SupervisorClient(connection).status()
