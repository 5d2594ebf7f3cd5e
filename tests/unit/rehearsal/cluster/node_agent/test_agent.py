"""The node agent as a whole, with real processes, against a small API server."""

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from rehearsal.cluster.node_agent.agent import Agent, end_leftovers
from rehearsal.cluster.node_agent.container_start import POD_FOLDER, start_process
from rehearsal.cluster.node_agent.pod_context import shared_memory_prefix
from rehearsal.cluster.nodes.pools import LOST
from tests.unit import clusters
from tests.unit.pods_api import pods_api

NETWORK = "127.213"


def node(name, **annotations):
    return {"metadata": {"name": name, "annotations": annotations}}


def pod(name, node_name="gpu-1", script="exec sleep 600", **status):
    return {
        "metadata": {
            "name": name,
            "namespace": "serving",
            "uid": f"uid-{name}",
            "labels": {"serving.kserve.io/inferenceservice": "mnist"},
        },
        "spec": {
            "nodeName": node_name,
            "containers": [{"name": "a", "image": "tritonserver", "command": ["sh", "-c", f"echo $$$$; {script}"]}],
        },
        "status": status,
    }


class Rehearsed:
    def __init__(self, api, connection):
        self.api, self.connection = api, connection

    @asynccontextmanager
    async def agent(self):
        running = asyncio.create_task(Agent(self.connection, restart_backoff_s=0.02).run())
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def delete(self, name):
        item = self.api.objects["pods"][name]
        deleted = {"deletionTimestamp": "now", "deletionGracePeriodSeconds": 20}
        await self.api.put("pods", {**item, "metadata": {**item["metadata"], **deleted}})

    def status(self, name):
        return self.api.objects["pods"].get(name, {}).get("status", {})

    def ready(self, name):
        return {"type": "Ready", "status": "True"}.items() <= (self.status(name).get("conditions") or [{}])[-1].items()

    def said(self, name):
        (log,) = (self.connection.logs / "pods").glob(f"serving_{name}_*/a/*.log")
        return log.read_text().split()

    def pid(self, name):
        return int((self.said(name) or [0])[0])

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110  # what is waited for happens in other processes
                await asyncio.sleep(0.005)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def connection_in(folder, kubeconfig=Path("none")):
    return clusters.connection(folder, network=NETWORK, kubeconfig=kubeconfig, gateway_url=f"http://{NETWORK}.0.2:8080")


@pytest.fixture
async def cluster(tmp_path):
    async with pods_api() as api:
        await api.put("nodes", node("gpu-1"))
        yield Rehearsed(api, connection_in(tmp_path, api.kubeconfig(tmp_path / "kubeconfig")))


async def test_pods_have_addresses_of_their_own_and_go_when_they_are_deleted(cluster):
    await cluster.api.put("pods", pod("one"))
    async with cluster.agent():
        await cluster.api.put("pods", pod("two"))
        await cluster.until(lambda: cluster.ready("one") and cluster.ready("two"))
        addresses = {cluster.status(name)["podIP"] for name in ("one", "two")}
        await cluster.delete("one")
        await cluster.until(lambda: "one" not in cluster.api.objects["pods"])
        await cluster.until(lambda: len(list(cluster.connection.pods.iterdir())) == 1)

    assert {f"{NETWORK}.1.1", f"{NETWORK}.1.2"} == addresses


async def test_a_test_pod_asks_the_gateway_and_a_ready_pods_metrics(cluster):
    ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "metrics", "port": 8002, "targetPort": 8002}]
    service = {
        "metadata": {"name": "mnist-predictor"},
        "spec": {"selector": {"serving.kserve.io/inferenceservice": "mnist"}, "ports": ports},
    }
    host = "mnist-predictor.serving.svc"
    asking = pod("asks", script=f"echo http://{host}:80 {host}:8002/metrics other-predictor.serving.svc")
    asking["metadata"] |= {"labels": {}, "annotations": {"helm.sh/hook": "test"}}
    asking["spec"]["restartPolicy"] = "Never"
    await cluster.api.put("services", service)
    await cluster.api.put("pods", pod("one"))
    async with cluster.agent():
        await cluster.until(lambda: cluster.ready("one"))
        await cluster.api.put("pods", asking)
        await cluster.until(lambda: cluster.status("asks").get("phase") == "Succeeded")
    (log,) = (cluster.connection.logs / "pods").glob("serving_asks_*/a/0.log")

    assert (
        f"http://{NETWORK}.0.2:8080 {NETWORK}.1.1:8002/metrics other-predictor.serving.svc"
        == (log.read_text().splitlines()[1])
    )


async def test_other_pods_are_left_to_kwok(cluster):
    other = pod("other")
    other["metadata"]["labels"] = {"app": "headroom"}
    await cluster.api.put("pods", other)
    await cluster.api.put("pods", pod("one"))
    async with cluster.agent():
        await cluster.until(lambda: cluster.ready("one"))

    assert {} == cluster.status("other")


async def test_a_lost_node_takes_its_pods_along_without_a_word(cluster):
    await cluster.api.put("nodes", node("gpu-2"))
    await cluster.api.put("pods", pod("one"))
    await cluster.api.put("pods", pod("two", "gpu-2"))
    async with cluster.agent():
        await cluster.until(lambda: cluster.ready("one") and cluster.ready("two") and cluster.pid("two"))
        pid = cluster.pid("two")
        await cluster.api.put("nodes", node("gpu-2", **{LOST: "true"}))
        await cluster.until(lambda: not alive(pid))
        await cluster.api.put("pods", pod("three", "gpu-2"))
        await cluster.api.put("pods", pod("four"))
        await cluster.until(lambda: cluster.ready("four"))
        states = cluster.ready("two"), cluster.status("three"), alive(cluster.pid("one"))

    assert (True, {}, True) == states


async def test_a_node_that_is_taken_away_is_a_machine_that_is_off(cluster):
    await cluster.api.put("pods", pod("one"))
    async with cluster.agent():
        await cluster.until(lambda: cluster.ready("one") and cluster.pid("one"))
        pid = cluster.pid("one")
        await cluster.api.remove("nodes", "gpu-1")
        await cluster.until(lambda: not alive(pid))

    assert cluster.ready("one")


async def test_a_pod_waits_for_its_node(cluster):
    await cluster.api.put("pods", pod("one", "late"))
    await cluster.api.put("pods", pod("two"))
    async with cluster.agent():
        await cluster.until(lambda: cluster.ready("two"))
        before = cluster.status("one")
        await cluster.api.put("nodes", node("late"))
        await cluster.until(lambda: cluster.ready("one"))

    assert {} == before


async def test_a_pod_that_is_deleted_by_force_is_killed(cluster):
    await cluster.api.put("pods", pod("one", script="trap '' TERM; while :; do sleep 0.05; done"))
    async with cluster.agent():
        await cluster.until(lambda: cluster.ready("one") and cluster.pid("one"))
        pid = cluster.pid("one")
        await cluster.api.remove("pods", "one")
        await cluster.until(lambda: not alive(pid) and not any(cluster.connection.pods.iterdir()))

    assert "one" not in cluster.api.objects["pods"]


async def test_when_the_agent_ends_its_pods_may_end_first(cluster):
    await cluster.api.put("pods", pod("one", script="trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done"))
    async with cluster.agent():
        await cluster.until(lambda: cluster.ready("one") and cluster.said("one"))
    said = cluster.said("one")

    assert "bye" == said[-1]
    assert "Running" == cluster.status("one")["phase"]


async def test_when_the_agent_ends_no_process_is_left_and_the_next_one_begins_anew(cluster, monkeypatch):
    monkeypatch.setattr("rehearsal.cluster.node_agent.agent._TERMINATE_S", 0.1)
    await cluster.api.put("pods", pod("one", script="trap '' TERM; while :; do sleep 0.05; done"))
    async with cluster.agent():
        await cluster.until(lambda: cluster.ready("one") and cluster.pid("one"))
        pid = cluster.pid("one")
        reported = cluster.status("one")
    survived = alive(pid)
    async with cluster.agent():
        await cluster.until(lambda: cluster.status("one")["containerStatuses"][0]["restartCount"] == 1)
        await cluster.until(lambda: cluster.ready("one"))

    assert not survived
    assert "Running" == reported["phase"]
    assert reported["podIP"] == cluster.status("one")["podIP"]


async def test_a_pod_that_has_ended_is_not_run_again_and_can_be_deleted(cluster):
    await cluster.api.put("pods", pod("one", phase="Failed"))
    await cluster.api.put("pods", pod("two"))
    async with cluster.agent():
        await cluster.until(lambda: cluster.ready("two"))
        ended = cluster.status("one")
        await cluster.delete("one")
        await cluster.until(lambda: "one" not in cluster.api.objects["pods"])

    assert {"phase": "Failed"} == ended


@pytest.mark.parametrize(
    ("place", "event", "waiting"),
    [
        ("pods/{}", "FailedMount", "ContainerCreating"),
        ("pods/{}/containers", "Failed", "CreateContainerError"),
        ("logs/pods/{}", "Failed", "CreateContainerError"),
    ],
    ids=["volumes", "container", "output"],
)
async def test_a_pod_waits_for_a_disk_that_cannot_be_written(cluster, monkeypatch, place, event, waiting):
    monkeypatch.setattr("rehearsal.cluster.node_agent.pod_context._MOUNT_RETRY_S", 0.01)
    monkeypatch.setattr("rehearsal.cluster.node_agent.container._CONFIG_RETRY_S", 0.01)
    occupied = cluster.connection.folder / place.format("serving_one_uid-one")
    async with cluster.agent():
        await cluster.until((cluster.connection.folder / "node_agent.ready").exists)
        occupied.parent.mkdir(parents=True, exist_ok=True)
        occupied.touch()
        await cluster.api.put("pods", pod("one"))
        await cluster.until(lambda: event in [one["reason"] for one in cluster.api.events])
        await cluster.until(lambda: f"'reason': '{waiting}'" in str(cluster.status("one").get("containerStatuses")))
        occupied.unlink()
        await cluster.until(lambda: cluster.ready("one"))


@pytest.mark.parametrize(
    "fault",
    [{"volumeMounts": [{"name": "none", "mountPath": "/x"}]}, {"lifecycle": {"preStop": {"sleep": {}}}}],
    ids=["before it is deleted", "because it is deleted"],
)
async def test_a_pod_that_the_agent_failed_to_run_can_be_deleted(cluster, fault):
    broken = pod("one")
    broken["spec"]["containers"][0] |= fault
    await cluster.api.put("pods", broken)
    await cluster.api.put("pods", pod("two"))
    async with cluster.agent():
        await cluster.until(lambda: cluster.ready("two") and ("lifecycle" not in fault or cluster.ready("one")))
        await cluster.delete("one")
        await cluster.until(lambda: "one" not in cluster.api.objects["pods"])
        others = list(cluster.api.objects["pods"])

    assert ["two"] == others


async def test_leftovers_of_a_killed_agent_are_ended(tmp_path):
    connection = connection_in(tmp_path)
    connection.pods.mkdir()
    shared = Path("/dev/shm") / f"{shared_memory_prefix(NETWORK)}uid-x-1"
    shared.touch()
    processes = [
        await start_process(
            ("sleep", "600"), environment={POD_FOLDER: f"{folder}/pods/p"}, directory=tmp_path, log=tmp_path / "log"
        )
        for folder in (tmp_path, tmp_path / "other")
    ]
    # The launcher becomes the program; both have the variable.
    end_leftovers(connection)
    ours = await asyncio.wait_for(processes[0].wait(), 20)
    other = processes[1].running
    processes[1].kill()
    await processes[1].wait()

    assert (-9, True) == (ours, other)
    assert not shared.exists()
    assert not connection.pods.exists()
