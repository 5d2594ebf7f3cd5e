"""Processes, health, networks and refusals of the rehearsal's control plane, without any of its programs."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import yaml

from rehearsal.connection import Connection, read_connection, write_connection
from rehearsal.controlplane.api import path_of
from rehearsal.controlplane.certificates import make_certificates
from rehearsal.controlplane.cluster import down, running, up
from rehearsal.controlplane.component import Component, NotYet
from rehearsal.controlplane.fleet import Fleet
from rehearsal.controlplane.network import claim_network, free_port, require_ports
from rehearsal.controlplane.order import LOCK, locked
from rehearsal.controlplane.process import ChildProcess
from rehearsal.errors import ClusterError, ClusterExists, NoCluster, NotHealthy, PortTaken, ProgramDied, ScenarioError
from rehearsal.nodes.objects import instance_types, node_objects
from rehearsal.nodes.types import load_nodes, shipped_nodes


def shell(name, script, *, healthy=lambda: None, grace_s=3.0):
    return Component(name=name, command=("/bin/sh", "-c", script), healthy=healthy, does="works", grace_s=grace_s)


def never():
    raise NotYet("expected an answer, got silence")


def unheard(_name, _after_s):
    pass


@pytest.fixture
def fleet(tmp_path):
    fleet = Fleet(tmp_path)
    yield fleet
    fleet.stop_all()


@pytest.fixture
def connection(tmp_path):
    return Connection(
        folder=tmp_path,
        network="127.64",
        kubeconfig=tmp_path / "kubeconfig",
        apiserver_url="https://127.64.0.1:1",
        prometheus_url="http://127.64.0.1:2",
        gateway_url="http://127.64.0.2:8080",
        namespace="serving",
        model_store=tmp_path / "models",
        nodes=load_nodes("karpenter"),
        executables={"kubectl": tmp_path / "kubectl"},
        control_address=("127.64.0.1", 3),
        control_key="00",
        supervisor_pid=os.getpid(),
    )


class TestProcesses:
    def test_a_child_ends_with_its_parent_however_that_ends(self, tmp_path):
        script = (
            "import sys, time; from pathlib import Path; from rehearsal.controlplane.process import ChildProcess\n"
            f"child = ChildProcess(('/bin/sleep', '60'), log=Path({str(tmp_path / 'log')!r}))\n"
            "print(child.pid, flush=True); time.sleep(60)"
        )
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        child = psutil.Process(int(parent.stdout.readline()))

        parent.kill()
        parent.wait()
        parent.stdout.close()

        gone, alive = psutil.wait_procs([child], timeout=10)
        assert ([child], []) == (gone, alive)

    def test_a_child_outlives_the_thread_that_asked_for_it(self, tmp_path):
        started = []
        asker = threading.Thread(
            target=lambda: started.append(ChildProcess(("/bin/sleep", "60"), log=tmp_path / "log"))
        )
        asker.start()
        asker.join()
        (child,) = started

        assert child.wait(0.3) is None
        assert -signal.SIGTERM == child.stop(grace_s=5)

    def test_stop_kills_what_ignores_the_request(self, tmp_path):
        child = ChildProcess(
            ("/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"), log=tmp_path / "log"
        )
        while "up" not in (tmp_path / "log").read_text():
            time.sleep(0.01)

        assert -signal.SIGKILL == child.stop(grace_s=0.2)

    def test_a_program_that_is_not_there_is_an_error_of_the_child(self, tmp_path):
        child = ChildProcess((str(tmp_path / "nothing"),), log=tmp_path / "log")

        assert 1 == child.wait(10)
        assert "No such file" in (tmp_path / "log").read_text()


class TestFleet:
    def test_waiting_ends_when_every_program_works(self, fleet, tmp_path):
        fleet.start(shell("one", "sleep 60", healthy=lambda: (tmp_path / "there").stat() and None))
        fleet.start(shell("two", f"touch {tmp_path / 'there'}; sleep 60"))
        told = []

        fleet.wait_healthy(fleet.names, timeout_s=10, tell=lambda name, _after_s: told.append(name))

        assert ["one", "two"] == sorted(told)
        assert [True, True] == [state.healthy for state in fleet.states()]

    def test_a_program_that_ends_is_named_with_its_last_words_and_its_log(self, fleet):
        fleet.start(shell("etcd", "echo disk is gone; exit 7", healthy=never))

        with pytest.raises(ProgramDied, match=r"(?s)etcd: ended with exit code 7.*disk is gone.*etcd\.log"):
            fleet.wait_healthy(["etcd"], timeout_s=10, tell=unheard)

    def test_a_program_that_does_not_work_is_named_with_what_was_expected(self, fleet):
        fleet.start(shell("kserve", "sleep 60", healthy=never))

        with pytest.raises(NotHealthy, match=r"(?s)kserve: expected an answer, got silence; its log: .*kserve\.log"):
            fleet.wait_healthy(["kserve"], timeout_s=0.2, tell=unheard)

    def test_a_stopped_program_is_unhealthy_and_starts_again(self, fleet):
        fleet.start(shell("prometheus", "sleep 60"))
        before = fleet.state("prometheus").pid
        fleet.stop("prometheus", kill=True)
        stopped = fleet.state("prometheus")
        fleet.restart("prometheus")
        after = fleet.state("prometheus")

        assert (None, False, "was stopped") == (stopped.pid, stopped.healthy, stopped.said)
        assert after.healthy
        assert before != after.pid

    def test_a_running_program_is_not_started_twice(self, fleet):
        fleet.start(shell("prometheus", "sleep 60"))

        with pytest.raises(ClusterError, match="runs already, as process"):
            fleet.restart("prometheus")

    def test_an_unknown_program_is_told_the_known_ones(self, fleet):
        fleet.start(shell("prometheus", "sleep 60"))

        with pytest.raises(ClusterError, match="expected one of prometheus, got 'promtheus'"):
            fleet.stop("promtheus")

    def test_the_database_ends_last(self, fleet, tmp_path):
        # It is killed: whoever ends in order has written down that the database still ran.
        fleet.start(shell("etcd", "sleep 60"))
        pid = fleet.state("etcd").pid
        script = (
            f"trap 'kill -0 {pid} && touch {tmp_path / 'etcd-ran'}; exit 0' TERM; echo up; while :; do sleep 0.05; done"
        )
        fleet.start(shell("kserve", script))
        while "up" not in (tmp_path / "kserve.log").read_text():
            time.sleep(0.01)

        fleet.stop_all()

        assert (tmp_path / "etcd-ran").exists()
        assert [None, None] == [state.pid for state in fleet.states()]


class TestNetwork:
    def test_two_clusters_have_two_networks(self):
        first, first_lock = claim_network()
        second, second_lock = claim_network()
        with first_lock, second_lock:
            assert first != second

    def test_a_network_is_free_again_when_its_holder_is_gone(self):
        first, lock = claim_network()
        lock.close()
        second, lock = claim_network()
        with lock:
            assert first == second

    def test_whoever_listens_on_every_address_is_named(self):
        with socket.create_server(("0.0.0.0", 0)) as everywhere:
            port = everywhere.getsockname()[1]

            with pytest.raises(PortTaken, match=rf"port {port} .*\(process {os.getpid()}\)"):
                require_ports("127.64", [port])

    def test_whoever_listens_on_another_address_is_no_obstacle(self):
        with socket.create_server(("127.0.0.1", 0)) as elsewhere:
            require_ports("127.64", [elsewhere.getsockname()[1]])

    def test_a_free_port_can_be_taken(self):
        port = free_port("127.64.0.1")

        with socket.create_server(("127.64.0.1", port)) as server:
            assert port == server.getsockname()[1]


def test_certificates_let_the_administrator_in_and_the_server_be_known(tmp_path):
    pki = make_certificates(tmp_path / "pki", network="127.64")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki.server.certificate, pki.server.key)
    server.load_verify_locations(pki.authority)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(pki.authority))
    client.load_cert_chain(pki.admin.certificate, pki.admin.key)
    ours, theirs = socket.socketpair()
    seen = {}

    def serve():
        with server.wrap_socket(theirs, server_side=True) as line:
            seen["subject"] = dict(part[0] for part in line.getpeercert()["subject"])
            line.send(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(ours, server_hostname="127.64.0.1") as line:
        line.recv(1)
    thread.join()

    assert ("system:masters", "rehearsal-admin") == (seen["subject"]["organizationName"], seen["subject"]["commonName"])
    assert 0o600 == pki.admin.key.stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("kind", "version", "expected"),
    [
        ("Namespace", "v1", "/api/v1/namespaces/x"),
        ("Secret", "v1", "/api/v1/namespaces/serving/secrets/x"),
        ("NetworkPolicy", "networking.k8s.io/v1", "/apis/networking.k8s.io/v1/namespaces/serving/networkpolicies/x"),
        ("KWOKNodeClass", "karpenter.kwok.sh/v1alpha1", "/apis/karpenter.kwok.sh/v1alpha1/kwoknodeclasses/x"),
        ("Prometheus", "monitoring.coreos.com/v1", "/apis/monitoring.coreos.com/v1/namespaces/serving/prometheuses/x"),
    ],
)
def test_objects_are_found_by_their_kind(kind, version, expected):
    item = {"kind": kind, "apiVersion": version, "metadata": {"name": "x", "namespace": "serving"}}

    assert expected == path_of(item)
    assert expected.removesuffix("/x") == path_of(item, collection=True)


class TestNodes:
    def test_shipped_files_are_read(self):
        pools = {name: load_nodes(name).pool for name in shipped_nodes()}

        assert {"fixed": "fixed", "karpenter": "karpenter"} == pools

    def test_a_pool_boots_as_long_as_its_type(self, tmp_path):
        file = tmp_path / "nodes.yaml"
        file.write_text(
            yaml.safe_dump(
                {
                    "gpu_limit": 3,
                    "types": [
                        {"name": "l4", "gpus": 1, "cpu": 4, "memory_gib": 16, "price_per_hour": 0.8, "boot_s": 45},
                        {"name": "4l4", "gpus": 4, "cpu": 48, "memory_gib": 192, "price_per_hour": 4.6, "boot_s": 90},
                    ],
                }
            )
        )
        nodes = load_nodes(str(file))
        objects = {(item["kind"], item["metadata"]["name"]): item["spec"] for item in node_objects(nodes)}

        assert "45s" == objects["KWOKNodeClass", "l4"]["nodeRegistrationDelay"]
        assert "90s" == objects["KWOKNodeClass", "4l4"]["nodeRegistrationDelay"]
        assert {"nvidia.com/gpu": "3"} == objects["NodePool", "l4"]["limits"]
        assert objects["NodePool", "l4"]["weight"] > objects["NodePool", "4l4"]["weight"]
        assert ["1", "4"] == [each["resources"]["nvidia.com/gpu"] for each in instance_types(nodes)]
        assert [0.8, 4.6] == [each["offerings"][0]["Price"] for each in instance_types(nodes)]

    def test_a_fixed_pool_is_nodes_in_every_zone(self):
        objects = node_objects(load_nodes("fixed"))

        assert ["Node"] * 4 == [item["kind"] for item in objects]
        assert {"zone-a", "zone-b"} == {item["metadata"]["labels"]["topology.kubernetes.io/zone"] for item in objects}
        assert {"1"} == {item["status"]["allocatable"]["nvidia.com/gpu"] for item in objects}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"gpus": -1}, r"types\[0\]\.gpus: .*greater than or equal to 0, got -1"),
            ({"gpu": 1}, r"types\[0\]\.gpu: unknown key; did you mean 'gpus'\?"),
            ({"boot_s": "soon"}, r"types\[0\]\.boot_s: "),
        ],
    )
    def test_a_wrong_type_is_told_with_its_key(self, tmp_path, change, message):
        right = {"name": "l4", "gpus": 1, "cpu": 4, "memory_gib": 16, "price_per_hour": 0.8}
        (tmp_path / "nodes.yaml").write_text(yaml.safe_dump({"types": [right | change]}))

        with pytest.raises(ScenarioError, match=message):
            load_nodes(str(tmp_path / "nodes.yaml"))

    def test_an_unknown_name_is_told_the_shipped_ones(self):
        with pytest.raises(ScenarioError, match="expected one of fixed, karpenter, or a YAML file's path"):
            load_nodes("karpentr")


class TestWorkingFolder:
    def test_a_second_supervisor_is_refused(self, tmp_path):
        with locked(tmp_path), pytest.raises(ClusterExists, match="slipway cluster down"), locked(tmp_path):
            pass

    def test_a_connection_is_read_as_it_was_written_and_is_its_owners(self, connection, tmp_path):
        write_connection(connection)

        assert connection == read_connection(tmp_path)
        assert 0o600 == (tmp_path / "cluster.json").stat().st_mode & 0o777

    def test_down_clears_what_a_killed_cluster_left(self, tmp_path):
        folder = tmp_path / "cluster"
        (folder / "etcd").mkdir(parents=True)
        (folder / LOCK).touch()

        assert not down(folder)
        assert not folder.exists()

    def test_an_empty_folder_is_no_cluster(self, tmp_path):
        with pytest.raises(NoCluster, match="start one with `slipway cluster up`"):
            down(tmp_path)

    def test_another_versions_file_is_no_cluster(self, tmp_path):
        (tmp_path / "cluster.json").write_text(json.dumps({"folder": "x"}))

        with pytest.raises(NoCluster, match="not what this version of slipway writes"):
            running(tmp_path)

    def test_a_supervisor_whose_number_is_another_process_is_gone(self, connection, tmp_path):
        write_connection(connection)  # it names this process

        with pytest.raises(NoCluster, match="was killed, and its programs ended with it"):
            running(tmp_path)

    def test_a_folder_with_other_files_is_left_alone(self, tmp_path):
        thesis = tmp_path / "thesis.tex"
        thesis.write_text("dear")

        with pytest.raises(ClusterError, match="got other files"):
            up(tmp_path, executables={}, module_files={}, nodes=load_nodes("fixed"), tell=unheard)

        assert ["thesis.tex"] == [path.name for path in Path(tmp_path).iterdir()]
