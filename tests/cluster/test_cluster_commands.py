"""`slipway cluster`: what is refused, what is healed, and that nothing is left however a cluster ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from rehearsal.cluster.connection import read_connection
from rehearsal.cluster.controlplane.supervisor_client import SupervisorClient
from tests.children import started
from tests.cluster.kube import Kube, eventually, eventually_nothing
from tests.cluster.service import Service, cpu
from tests.cluster.traces import left_of, listeners, processes

OUR_OWN = {"agent", "gateway", "monitoring"}
"""They end in order when the supervisor is gone; everything else is killed."""


@pytest.fixture
def up(slipway_cluster):
    """Return up(folder) -> the finished command, with the small nodes of this tier."""
    return lambda folder: slipway_cluster("up", "--folder", folder, "--nodes", Path(__file__).with_name("nodes.yaml"))


def said(done):
    return " ".join((done.stdout + done.stderr).split())


def test_a_second_up_in_the_same_folder_is_refused(cluster, up, slipway_cluster):
    done = up(cluster.folder)

    assert 2 == done.returncode
    assert "a cluster is up in" in said(done)
    assert "slipway cluster down" in said(done)
    assert 0 == slipway_cluster("status", "--folder", cluster.folder).returncode


def test_a_folder_with_files_of_somebody_else_is_refused(up, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = up(tmp_path)

    assert 3 == done.returncode
    assert "expected an empty folder" in said(done)
    assert ["thesis.txt"] == [path.name for path in tmp_path.iterdir()]


def test_a_port_of_the_pods_that_is_taken_is_named_with_its_process(up, tmp_path):
    with ExitStack() as stack:
        for number in range(64, 127):  # whichever network the cluster would take
            listener = stack.enter_context(socket.socket())
            with suppress(OSError):
                listener.bind((f"127.{number}.1.1", 9000))
                listener.listen()
        done = up(tmp_path / "cluster")

    assert 3 == done.returncode
    assert "expected port 9000 to be free" in said(done)
    assert f"(process {os.getpid()})" in said(done)
    assert [] == processes(tmp_path)


def test_without_a_cluster_every_command_says_how_to_get_one(slipway_cluster, tmp_path):
    asked = {words: slipway_cluster(words, "--folder", tmp_path) for words in ("status", "down")}

    assert {2} == {done.returncode for done in asked.values()}
    assert all("start one with `slipway cluster up`" in said(done) for done in asked.values())


def test_ctrl_c_before_it_is_up_leaves_nothing(tmp_path):
    folder = tmp_path / "cluster"
    command = (Path(sys.executable).with_name("slipway"), "cluster", "up", "--folder", folder)
    with started(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        eventually((folder / "logs" / "kube-scheduler.log").exists, "the scheduler is not started")
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)

    assert 130 == process.returncode
    assert [] == processes(folder)


def test_a_program_that_was_killed_shows_with_its_log_and_is_started_again(cluster, slipway_cluster):
    supervisor = SupervisorClient(cluster)
    supervisor.stop("keda-operator", kill=True)
    done = slipway_cluster("status", "--folder", cluster.folder)
    states = {state.name: state for state in supervisor.status()}
    supervisor.start("keda-operator")
    eventually(lambda: all(state.healthy for state in supervisor.status()), "the cluster does not recover")

    assert 1 == done.returncode
    assert "keda-operator" in said(done)
    assert ["keda-operator"] == [name for name, state in states.items() if not state.healthy]
    assert states["keda-operator"].log.is_file()
    assert states["keda-operator"].log.name in done.stdout


def test_two_clusters_side_by_side_end_each_for_itself(cluster, up, slipway_cluster, fill, tmp_path):
    folder = tmp_path / "other"
    done = up(folder)
    assert 0 == done.returncode, said(done)
    other = read_connection(folder)
    assert cluster.network != other.network

    # A cluster that is killed with a pod in it, and whose programs hang.
    fill(other)
    service = Service(kube=Kube(connection=other, home=tmp_path), namespace=other.namespace, name="mnist")
    service.install(cpu(other))
    service.wait_ready()
    assert processes(folder, named="tritonserver")
    for program in SupervisorClient(other).status():
        if program.name not in OUR_OWN:
            psutil.Process(program.pid).suspend()
    os.kill(other.supervisor_pid, signal.SIGKILL)
    eventually_nothing(lambda: processes(folder), "programs outlive their supervisor", within_s=15)
    status = slipway_cluster("status", "--folder", folder)
    assert 2 == status.returncode
    assert f"process {other.supervisor_pid}, was killed" in said(status)

    # What it left is no obstacle, and goes with the next one.
    again = up(folder)
    assert 0 == again.returncode, said(again)
    second = read_connection(folder)
    assert len(processes(folder)) > 15
    assert len(listeners(second.network)) > 15
    assert not psutil.pid_exists(other.supervisor_pid)
    down = slipway_cluster("down", "--folder", folder)
    assert 0 == down.returncode, said(down)
    eventually_nothing(lambda: left_of(folder, second.network), "the cluster leaves something", within_s=10)
    assert [] == [path.name for path in Path("/dev/shm").glob(f"slipway-{other.network}-*")]
    assert 0 == slipway_cluster("status", "--folder", cluster.folder).returncode
