"""`slipway rehearse` before and after the rehearsal: is it the right cluster, is it free, and what is left to read."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from rehearsal.connection import write_connection
from rehearsal.controlplane.order import rehearsing
from rehearsal.errors import ClusterError, ScenarioError
from rehearsal.run.command import Request, carry_out
from tests.unit import clusters


@pytest.fixture
def up(tmp_path):
    """A folder whose cluster has Karpenter's machines; all that is there of it is a process of the right name."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read()", "rehearsal.controlplane.supervisor"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as supervisor:
        write_connection(clusters.connection(tmp_path, supervisor_pid=supervisor.pid))
        yield tmp_path
        supervisor.communicate()


def carried_out(folder, *, nodes=None, overrides=None):
    """Carry `step` out on the cluster in a folder; what it prints."""
    request = Request(
        scenario="step",
        overrides=overrides or {},
        values=(),
        nodes=nodes,
        repository=Path("model_repository"),
        chart=Path("helm/serving"),
        folder=folder,
        keep=False,
        report_dir=folder / "report",
        command="slipway rehearse step",
    )
    console = Console(file=StringIO())
    try:
        carry_out(request, console)
    finally:
        folder.joinpath("printed").write_text(console.file.getvalue())


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"nodes": "fixed"}, "--nodes fixed: the cluster that is up in"),
        ({"overrides": {"nodes.file": "fixed"}}, "step: nodes.file fixed: the cluster that is up in"),
    ],
)
def test_a_cluster_with_other_machines_than_were_named_is_not_rehearsed_on(up, named, says):
    with pytest.raises(ScenarioError, match=says):
        carried_out(up, **named)


def test_one_rehearsal_at_a_time_has_the_cluster(up):
    with rehearsing(up), pytest.raises(ClusterError, match="a rehearsal is under way on the cluster in"):
        carried_out(up)


def test_logs_are_kept_beside_the_report_where_a_rehearsal_cannot_be_carried_out(up):
    (up / "logs" / "pods").mkdir(parents=True)
    (up / "logs" / "etcd.log").write_text("no space left on device")
    with pytest.raises(ClusterError):  # nobody answers where the supervisor should
        carried_out(up)

    assert "no space left on device" == (up / "report" / "logs" / "etcd.log").read_text()
    assert f"logs of the cluster and of its pods: {up}/report/logs" in (up / "printed").read_text()


def test_a_mistake_in_the_command_leaves_no_folder(up):
    (up / "logs").mkdir()
    with pytest.raises(ScenarioError, match=r"start\.replicas is 9"):
        carried_out(up, overrides={"start.replicas": "9"})

    assert not (up / "report").exists()
