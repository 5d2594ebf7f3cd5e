"""`slipway cluster` says each step once, what the cluster is good for, and how its programs are."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from rehearsal.cluster import commands
from rehearsal.cluster.controlplane.process_manager import ProgramState
from rehearsal.cluster.nodes.pools import load_nodes
from tests.unit import clusters


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


def test_bringing_up_says_each_healthy_program_once(console, tmp_path, monkeypatch):
    programs = SimpleNamespace(executables={"etcd": Path("/programs/etcd")}, built=["kwok"], files=Path)
    asked = {}

    def up(folder, *, tell, **options):
        asked.update(options, folder=folder)
        for name in ("etcd", "etcd", "kwok"):
            tell(name, 0.1)
        return clusters.connection(folder)

    monkeypatch.setattr(commands, "ensure_programs", lambda _console: programs)
    monkeypatch.setattr(commands, "up", up)
    connection = commands.bring_up(tmp_path / "cluster", load_nodes("karpenter"), console, owner_pid=7)
    lines = console.file.getvalue().splitlines()

    assert tmp_path / "cluster" == connection.folder == asked["folder"]
    assert (7, {"kwok": Path("kwok")}) == (asked["owner_pid"], asked["module_files"])
    assert [
        "starting the control plane: etcd is healthy (1)",
        "starting the control plane: kwok is healthy (2)",
    ] == lines[1:3]
    assert lines[-1].endswith("2 programs are healthy")


def test_a_cluster_that_is_up_says_how_to_use_it(console, monkeypatch):
    monkeypatch.setattr(commands.shutil, "which", lambda _name: None)
    built = {name: Path("/programs/bin") / name for name in ("kubectl", "helm")}
    connection = clusters.connection(Path("/tmp/cluster"), executables=built)
    commands.announce(connection, console)
    text = console.file.getvalue()

    assert "export KUBECONFIG=/tmp/cluster/kubeconfig" in text
    assert 'export PATH="$PATH:/programs/bin"' in text
    assert connection.gateway_url in text


def test_the_status_of_a_sick_program_names_its_log(console):
    states = [
        ProgramState(name="etcd", pid=7, healthy=True, said="answers a read", log=Path("/logs/etcd.log")),
        ProgramState(name="kwok", pid=None, healthy=False, said="ended with [1]", log=Path("/logs/kwok.log")),
    ]
    console.print(commands.status_table(states))
    rows = [line.split() for line in console.file.getvalue().splitlines()]

    assert ["✓", "etcd", "7", "answers", "a", "read"] in rows
    assert ["✗", "kwok", "none", "ended", "with", "[1]"] in rows
    assert ["log:", "/logs/kwok.log"] in rows
