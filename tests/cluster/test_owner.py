"""A cluster that somebody brought up for a process is gone when that process was killed."""

from __future__ import annotations

import os
import subprocess
import sys

from rehearsal.cluster.connection import read_connection
from tests.cluster.conftest import NODES
from tests.cluster.kube import eventually_nothing
from tests.cluster.traces import left_of


def test_a_cluster_is_gone_when_the_process_it_is_for_was_killed(slipway_cluster, tmp_path):
    folder = tmp_path / "cluster"
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as owner:
        up = slipway_cluster("up", "--folder", folder, "--nodes", NODES, "--until-exit-of", owner.pid)
        assert 0 == up.returncode, up.stdout + up.stderr
        connection = read_connection(folder)
        os.kill(connection.supervisor_pid, 0)
        owner.kill()

    eventually_nothing(lambda: left_of(folder, connection.network), "the cluster outlives its owner")
