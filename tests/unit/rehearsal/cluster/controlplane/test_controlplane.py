"""Networks, certificates, objects and working folders of the rehearsal's control plane."""

import json
import os
import socket
import ssl
import threading
from pathlib import Path

import pytest

from rehearsal.cluster.api.client import apply, create
from rehearsal.cluster.connection import read_connection, write_connection
from rehearsal.cluster.controlplane.certificates import make_certificates
from rehearsal.cluster.controlplane.layout import claim_network, require_ports
from rehearsal.cluster.controlplane.lifecycle import down, running, up
from rehearsal.cluster.controlplane.spec import LOCK, locked
from rehearsal.cluster.nodes.pools import load_nodes
from rehearsal.errors import ClusterError, ClusterExists, NoCluster, PodPortTaken
from tests.unit import clusters


def unheard(_name, _after_s):
    pass


@pytest.fixture
def connection(tmp_path):
    return clusters.connection(tmp_path, supervisor_pid=os.getpid())


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

            with pytest.raises(PodPortTaken, match=rf"port {port} .*\(process {os.getpid()}\)"):
                require_ports("127.64", [port])

    def test_whoever_listens_on_another_address_is_no_obstacle(self):
        with socket.create_server(("127.0.0.1", 0)) as elsewhere:
            require_ports("127.64", [elsewhere.getsockname()[1]])


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
    ("kind", "version", "place", "expected"),
    [
        ("Namespace", "v1", {}, "/api/v1/namespaces/x"),
        ("Secret", "v1", {"namespace": "a"}, "/api/v1/namespaces/a/secrets/x"),
        (
            "NetworkPolicy",
            "networking.k8s.io/v1",
            {"namespace": "a"},
            "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies/x",
        ),
        ("KWOKNodeClass", "karpenter.kwok.sh/v1alpha1", {}, "/apis/karpenter.kwok.sh/v1alpha1/kwoknodeclasses/x"),
        (
            "Prometheus",
            "monitoring.coreos.com/v1",
            {"namespace": "a"},
            "/apis/monitoring.coreos.com/v1/namespaces/a/prometheuses/x",
        ),
    ],
)
def test_objects_are_found_by_their_kind(kind, version, place, expected):
    item = {"kind": kind, "apiVersion": version, "metadata": {"name": "x", **place}}

    assert expected == apply(item).url
    assert expected.removesuffix("/x") == create(item).url


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

        with pytest.raises(NoCluster, match="written by another version of slipway"):
            running(tmp_path)

    def test_a_supervisor_whose_number_is_another_process_is_gone(self, connection, tmp_path):
        write_connection(connection)  # it names this process

        with pytest.raises(NoCluster, match="was killed, and its programs ended with it"):
            running(tmp_path)

    @pytest.mark.parametrize("name", ["thesis.tex", "lock", "cluster.json"])
    def test_a_folder_with_other_files_is_left_alone(self, tmp_path, name):
        (tmp_path / name).write_text("dear")

        with pytest.raises(ClusterError, match="got other files"):
            up(tmp_path, executables={}, module_files={}, nodes=load_nodes("fixed"), tell=unheard)
        with pytest.raises(NoCluster):
            down(tmp_path)

        assert [name] == [path.name for path in Path(tmp_path).iterdir()]
