"""What a server and its backend ask the network and write into a home: nothing."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.integration.serve_command import serving

pytestmark = pytest.mark.triton

ASK_ONCE = """
import pathlib, sys, time
import numpy as np
from slipway.client import Classifier
from slipway.triton import ServerSettings, TritonServer

with TritonServer(ServerSettings(repository=pathlib.Path(sys.argv[1]))) as server:
    with Classifier(server.grpc_url, model="mnist") as classifier:
        classifier.predict(np.zeros((28, 28), np.uint8), timeout_s=60)
"""
_CONNECT = re.compile(r"connect\(\d+, \{sa_family=AF_INET6?, .*")
_LOOPBACK = re.compile(r'"127\.|"::1"|"::ffff:127\.')


@pytest.fixture
def strace():
    program = shutil.which("strace")
    if program is None:
        if os.environ.get("REQUIRE_ALL_TIERS") == "1" or os.environ.get("CI"):
            pytest.fail("strace is missing")
        pytest.skip("no strace here")
    return program


@pytest.mark.usefixtures("backend")
def test_nobody_beyond_this_machine_is_asked_and_no_file_is_left_in_a_home(strace, published_repository, tmp_path):
    home, trace = tmp_path / "home", tmp_path / "trace"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run(
        [strace, "-f", "-qq", "-e", "trace=connect", "-o", trace, sys.executable, "-c", ASK_ONCE, published_repository],
        env=environment,
        check=True,
    )
    connections = _CONNECT.findall(trace.read_text())

    assert connections
    assert [] == [line for line in connections if not _LOOPBACK.search(line)]
    assert [] == [path for path in home.rglob("*") if path.is_file()]
    assert {"slipway"} == {path.name for path in (tmp_path / "cache").iterdir()}


def test_all_that_serve_keeps_is_in_the_folder_that_slipway_cache_names(published_repository, tmp_path, backend):
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    with serving(published_repository, HOME=str(home), XDG_CACHE_HOME=str(home / "xdg"), SLIPWAY_CACHE=str(cache)):
        kept = {path.name for path in cache.iterdir()}

    assert {"native" if backend == "native" else "backends", "servers"} <= kept
    assert [] == [path for path in home.rglob("*") if path.is_file()]
