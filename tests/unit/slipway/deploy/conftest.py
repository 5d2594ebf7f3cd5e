"""A small API server, and the kubeconfig that names it."""

import pytest

from tests.unit.api_server import api_server, write_kubeconfig


@pytest.fixture
def kubeconfig(monkeypatch, tmp_path):
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


@pytest.fixture
def api(kubeconfig):
    with api_server() as server:
        write_kubeconfig(kubeconfig, server.server_port)
        yield server
