"""`slipway rehearse` before and after the rehearsal: is it the right cluster, is it free, and what is left to read."""

import dataclasses
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from loadtest.errors import ReportExists
from rehearsal.cluster.commands import bring_up
from rehearsal.cluster.connection import write_connection
from rehearsal.cluster.controlplane.lifecycle import down
from rehearsal.cluster.controlplane.spec import LOCK, exclusive_rehearsal
from rehearsal.cluster.nodes.pools import load_nodes
from rehearsal.errors import (
    ChartRefused,
    ClusterError,
    ClusterExists,
    MachineTooSmall,
    NoCluster,
    RehearsalScenarioError,
    StoreError,
)
from rehearsal.experiment.run.command import RehearsalRequest, run_rehearsal
from slipway.repository import publish
from tests.unit import clusters
from tests.unit.digits_repository import DIGITS, FILES, damage_byte, holding


@pytest.fixture
def up(tmp_path):
    """A folder whose cluster has Karpenter's machines; all that is there of it is a process of the right name."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read()", "rehearsal.cluster.controlplane.supervisor"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as supervisor:
        write_connection(clusters.connection(tmp_path, supervisor_pid=supervisor.pid))
        yield tmp_path
        supervisor.communicate()


def published(root):
    publish(root, dataclasses.replace(DIGITS, name="mnist"), FILES, holding("network"))


def carried_out(place, **asked):
    """Carry `step` out on the cluster in a folder; what it prints."""
    usual = {
        "scenario": "step",
        "overrides": {},
        "values": (),
        "nodes": None,
        "repository": place / "published",
        "chart": Path("helm/serving"),
        "folder": place,
        "keep": False,
        "report_dir": place / "report",
        "command": "slipway rehearse step",
    }
    if not (place / "published").exists():
        published(place / "published")
    request = RehearsalRequest(**(usual | asked))
    console = Console(file=StringIO())
    try:
        run_rehearsal(request, console)
    finally:
        place.joinpath("printed").write_text(console.file.getvalue())


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"nodes": "fixed"}, "--nodes fixed: the running cluster in"),
        ({"overrides": {"nodes.file": "fixed"}}, "step: nodes.file fixed: the running cluster in"),
    ],
)
def test_a_cluster_with_other_machines_than_were_named_is_not_rehearsed_on(up, named, says):
    with pytest.raises(RehearsalScenarioError, match=says):
        carried_out(up, **named)


def test_one_rehearsal_at_a_time_has_the_cluster(up):
    with exclusive_rehearsal(up), pytest.raises(ClusterError, match="a rehearsal is under way on the cluster in"):
        carried_out(up)


def test_logs_are_kept_beside_the_report_where_a_rehearsal_cannot_be_carried_out(up):
    (up / "logs" / "pods").mkdir(parents=True)
    (up / "logs" / "etcd.log").write_text("no space left on device")
    with pytest.raises(ClusterError):  # no supervisor answers at its address
        carried_out(up)

    assert "no space left on device" == (up / "report" / "logs" / "etcd.log").read_text()
    assert f"logs of the cluster and of its pods: {up}/report/logs" in (up / "printed").read_text()


def test_a_mistake_in_the_command_leaves_no_folder(up):
    (up / "logs").mkdir()
    with pytest.raises(RehearsalScenarioError, match=r"start\.replicas is 9"):
        carried_out(up, overrides={"start.replicas": "9"})

    assert not (up / "report").exists()


@pytest.fixture
def nothing_is_built(monkeypatch):
    """Whoever comes to build fails the test: it takes half an hour."""

    def build(*_arguments, **_options):
        pytest.fail("something would have been built")

    monkeypatch.setattr("rehearsal.cluster.commands.ensure_programs", build)


def damaged(folder):
    published(folder / "damaged")
    damage_byte(folder / "damaged" / "mnist" / "1")
    return folder / "damaged"


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"repository": Path("/nowhere")}, StoreError, "publish a version first"),
        ({"chart": Path("/nowhere")}, ChartRefused, "expected the chart helm/serving"),
        ({"scenario": "stepp"}, RehearsalScenarioError, "no scenario 'stepp'"),
        ({"overrides": {"start.replicas": "9"}}, RehearsalScenarioError, r"start\.replicas is 9"),
        ({"nodes": "fixed", "overrides": {"nodes.gpu_limit": "3"}}, RehearsalScenarioError, "has a fixed pool"),
        ({"values": (Path("/nowhere.yaml"),)}, RehearsalScenarioError, "no such values file"),
        ({"overrides": {"load.arrivals": "{kind: trace, file: /nowhere.csv}"}}, RehearsalScenarioError, "nowhere.csv"),
    ],
    ids=["model", "chart", "scenario", "replicas", "machines", "values", "trace"],
)
def test_what_is_wrong_is_told_before_anything_is_built(tmp_path, asked, error, says):
    with pytest.raises(error, match=says):
        carried_out(tmp_path, **{"folder": tmp_path / "cluster", **asked})

    assert not (tmp_path / "report").exists()


@pytest.mark.usefixtures("nothing_is_built")
def test_a_damaged_model_is_told_before_anything_is_built(tmp_path):
    with pytest.raises(StoreError, match="cannot be rehearsed with"):
        carried_out(tmp_path, folder=tmp_path / "cluster", repository=damaged(tmp_path))


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(("room", "of_what"), [("_DISK_GIB", "disk"), ("_MEMORY_GIB", "memory")])
def test_a_machine_that_is_too_small_is_told_before_anything_is_built(tmp_path, monkeypatch, room, of_what):
    monkeypatch.setattr(f"rehearsal.cluster.controlplane.lifecycle.{room}", 1e9)

    with pytest.raises(MachineTooSmall, match=f"{of_what}: expected at least"):
        carried_out(tmp_path, folder=tmp_path / "cluster")


@pytest.mark.usefixtures("nothing_is_built")
def test_a_folder_with_other_files_is_told_before_anything_is_built(tmp_path):
    with pytest.raises(ClusterError, match="expected an empty folder"):
        carried_out(tmp_path)  # the repository lies in it

    assert (tmp_path / "published").is_dir()


@pytest.mark.usefixtures("nothing_is_built")
def test_a_second_cluster_in_one_folder_is_told_before_anything_is_built(up):
    (up / LOCK).touch()

    with pytest.raises(ClusterExists, match="a cluster is up in"):
        bring_up(up, load_nodes("karpenter"), Console(file=StringIO()))


def test_a_report_that_is_there_is_overwritten_only_when_that_is_said(up):
    report = up / "report" / "report.html"
    report.parent.mkdir()
    report.write_text("an earlier one")

    with pytest.raises(ReportExists, match="overwrite it with --force, or choose another with --report-dir"):
        carried_out(up)
    with pytest.raises(ClusterError):  # no supervisor answers at its address
        carried_out(up, force=True)
    assert "an earlier one" == report.read_text()


def a_file(place):
    (place / "cluster").touch()


def below_a_file(place):
    (place / "cluster").touch()
    return place / "cluster" / "below"


def another_use_of_the_lock(place):
    (place / "cluster" / LOCK).mkdir(parents=True)


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("taken", [a_file, below_a_file, another_use_of_the_lock], ids=lambda made: made.__name__)
def test_a_folder_that_no_cluster_can_have_is_told_before_anything_is_built(tmp_path, taken):
    folder = taken(tmp_path) or tmp_path / "cluster"

    with pytest.raises(ClusterError, match="choose another with --folder"):
        carried_out(tmp_path, folder=folder)
    with pytest.raises(NoCluster):
        down(folder)


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(
    "values", ["{autoscaling: 3}", "{autoscaling: {maxReplicas: x}}", "3", "{autoscaling: {minReplicas: }}"]
)
def test_values_of_another_shape_are_told_before_anything_is_built(tmp_path, values):
    with pytest.raises(RehearsalScenarioError, match="values"):
        carried_out(tmp_path, folder=tmp_path / "cluster", overrides={"values": values})
