"""One cluster for all tests of this tier, with a published model, and taken down at the end without a trace.

Without the built programs the tier is skipped at the desk and fails in CI (`CI` or `REQUIRE_ALL_TIERS=1`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from rehearsal.cluster.connection import read_connection
from rehearsal.cluster.toolchain.catalogue import CATALOGUE, MODULES
from rehearsal.cluster.toolchain.pins import read_pins
from rehearsal.cluster.toolchain.store import Store, default_cache
from rehearsal.experiment.run.model_store import ModelStore
from rehearsal.experiment.scenario.sections import ModelSettings
from tests.cluster import rehearsing
from tests.cluster.kube import Kube, eventually_nothing
from tests.cluster.rehearsing import publish_with_samples
from tests.cluster.service import STORE, Service, claim, restricted
from tests.cluster.traces import left_of
from tests.integration.conftest import publish_linear_classifier

HERE = Path(__file__).parent
NODES = HERE / "nodes.yaml"


def _programs_are_built() -> bool:
    store = Store(cache=default_cache())
    return all(store.find(program, read_pins(MODULES / program.name), None) for program in CATALOGUE)


def pytest_collection_modifyitems(items):
    ours = [item for item in items if item.path.is_relative_to(HERE)]
    nothing_may_be_missing = os.environ.get("REQUIRE_ALL_TIERS") == "1" or bool(os.environ.get("CI"))
    if not ours or nothing_may_be_missing or _programs_are_built():
        return
    for item in ours:
        item.add_marker(pytest.mark.skip(reason="the cluster's programs are not built: run `slipway cluster build`"))


@pytest.fixture(scope="session")
def slipway_cluster():
    """Return slipway_cluster(*words) -> the finished command `slipway cluster …`."""

    def run(*words):
        # Where the tests are killed, no cluster of theirs stays.
        owner = ("--until-exit-of", str(os.getpid())) if words[0] == "up" and "--until-exit-of" not in words else ()
        command = (str(Path(sys.executable).with_name("slipway")), "cluster", *map(str, words), *owner)
        return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)

    return run


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A model repository with version 1 of `mnist`."""
    root = tmp_path_factory.mktemp("published") / "model_repository"
    publish_linear_classifier(root)
    return root


@pytest.fixture(scope="session")
def fill(published):
    """Return fill(connection, folder) -> the model store's folder, filled."""

    def make(connection, folder=STORE, *, versions=2):
        store = ModelStore(connection.model_store / folder)
        store.fill(published, ModelSettings(simulated_batch_ms=20, max_batch_size=8, versions=versions))
        return store

    return make


@pytest.fixture(scope="session")
def cluster(tmp_path_factory, slipway_cluster, fill):
    """The cluster, with the model in its store."""
    folder = tmp_path_factory.mktemp("session") / "cluster"
    up = slipway_cluster("up", "--folder", folder, "--nodes", NODES)
    assert 0 == up.returncode, up.stdout + up.stderr
    connection = read_connection(folder)
    fill(connection)
    yield connection

    down = slipway_cluster("down", "--folder", folder)
    assert 0 == down.returncode, down.stdout + down.stderr
    eventually_nothing(lambda: left_of(folder, connection.network), "the cluster leaves something", within_s=10)


@pytest.fixture(scope="session")
def kube(cluster, tmp_path_factory):
    """The cluster by kubectl and helm."""
    return Kube(connection=cluster, home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def new_service(kube):
    """Return new_service(namespace) -> a Service that is not installed, in a restricted namespace with the claim."""

    def make(namespace, name="mnist"):
        kube.apply(restricted(namespace), *claim(kube.connection, namespace))
        return Service(kube=kube, namespace=namespace, name=name)

    return make


@pytest.fixture(scope="session")
def published_with_samples(tmp_path_factory):
    """A model repository whose version 1 brings images and their labels."""
    root = tmp_path_factory.mktemp("rehearsed") / "model_repository"
    publish_with_samples(root)
    return root


@pytest.fixture
def rehearse(cluster, published_with_samples, tmp_path):
    """Return rehearse(scenario, *options) -> a finished `slipway rehearse` of the small scenario of that name."""
    return partial(rehearsing.rehearse, cluster.folder, published_with_samples, tmp_path / "report")
