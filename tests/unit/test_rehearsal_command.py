"""`slipway rehearse` before anything runs: whether the cluster that is up is the one that was asked for."""

import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from rehearsal.connection import write_connection
from rehearsal.errors import ScenarioError
from rehearsal.run.command import Request, carry_out
from tests.unit import clusters


@pytest.fixture
def up(tmp_path):
    """A folder whose cluster has Karpenter's machines; all that is there of it is a process of the right name."""
    command = [sys.executable, "-c", "input()", "rehearsal.controlplane.supervisor"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as supervisor:
        write_connection(clusters.connection(tmp_path, supervisor_pid=supervisor.pid))
        yield tmp_path
        supervisor.communicate()


@pytest.mark.parametrize(
    ("option", "key", "says"),
    [
        ("fixed", {}, "--nodes fixed: the cluster that is up in"),
        (None, {"nodes.file": "fixed"}, "step: nodes.file fixed: the cluster that is up in"),
    ],
)
def test_a_cluster_with_other_machines_than_were_named_is_not_rehearsed_on(up, option, key, says):
    request = Request(
        scenario="step",
        overrides=key,
        values=(),
        nodes=option,
        repository=Path("model_repository"),
        chart=Path("helm/serving"),
        folder=up,
        keep=False,
        report_dir=up / "report",
        command="slipway rehearse step",
    )
    with pytest.raises(ScenarioError, match=says):
        carry_out(request, Console())
