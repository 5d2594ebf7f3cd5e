"""While the load runs: what is done at the API server, what is seen of it, and what happens when it is away."""

import asyncio
import time
from io import StringIO

import httpx
import pytest
from rich.console import Console

from rehearsal.cluster.commands import steps
from rehearsal.errors import ClusterError
from rehearsal.experiment.run.cluster_sampler import ClusterSampler
from rehearsal.experiment.run.context import RehearsalContext
from rehearsal.experiment.run.fault_injector import FaultInjector
from rehearsal.experiment.run.helm_release import HelmRelease
from rehearsal.experiment.run.load import LoadProgress, load_line
from rehearsal.experiment.run.node_pools import set_gpu_limit
from rehearsal.experiment.run.observation_thread import ObservationThread
from rehearsal.experiment.scenario.faults import LoseNode, SetGpuLimit, Stop
from tests.unit.api_answers import Api
from tests.unit.api_server import write_kubeconfig
from tests.unit.clusters import connection
from tests.unit.rehearsal.experiment.run.test_responses import node, pod
from tests.unit.rehearsal_results import alert, sample


def context(cluster=None, release=None):
    cluster = cluster or connection()
    return RehearsalContext(
        plan=None, connection=cluster, release=release, store=None, sampler=ClusterSampler(cluster), values={}
    )


def inject(api, action):
    """Carry out one action; the event that was recorded."""
    rehearsal = context()

    async def main():
        async with api.client() as client:
            await FaultInjector(rehearsal, client).inject(action)
        return rehearsal.sampler.observations(time.time()).events

    (event,) = asyncio.run(main())
    return event


def test_a_node_with_a_ready_replica_is_lost_and_its_heartbeat_with_it():
    api = Api(nodes=[node(), node(gpus="0")], pods=[pod(node="node-x"), pod("b", node="elsewhere")])
    event = inject(api, LoseNode(at_s=0, do="lose_node"))
    change = {"metadata": {"annotations": {"rehearsal.slipway/lost": "true", "kwok.x-k8s.io/node": None}}}

    lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-x"

    assert ("PATCH", "/api/v1/nodes/node-x", change) == api.told[0]
    assert [lease] == [path for _, path, _ in api.told[1:]]
    assert "lost" == api.told[1][2]["spec"]["holderIdentity"]
    assert ("node-x", "lose_node", False) == (event.subject, event.what, event.warning)


def test_an_action_that_cannot_be_done_is_noted_as_failed():
    event = inject(Api(nodes=[node()]), LoseNode(at_s=0, do="lose_node"))

    assert event.warning
    assert "failed: expected a GPU node with a ready replica, got none" in event.detail


def test_an_action_fails_where_the_cluster_is_away_and_nothing_else_does():
    api = Api()
    api.away = True

    assert inject(api, LoseNode(at_s=0, do="lose_node")).warning
    assert inject(Api(), Stop(at_s=0, do="stop", programs=["prometheus"])).warning


def test_every_pool_gets_the_new_limit():
    api = Api(nodepools=[{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}])
    inject(api, SetGpuLimit(at_s=0, do="set_gpu_limit", gpus=6))

    assert {"a", "b"} == {path.rpartition("/")[2] for _, path, _ in api.told}
    assert all({"spec": {"limits": {"nvidia.com/gpu": "6"}}} == change for *_, change in api.told)


def test_a_limit_without_pools_is_refused():
    async def main():
        async with Api().client() as client:
            await set_gpu_limit(client, 3)

    with pytest.raises(ClusterError, match="got none"):
        asyncio.run(main())


def take_sample(api, prometheus, sampler=None):
    """One sample, and the sampler that keeps it."""
    sampler = sampler or ClusterSampler(connection())

    async def main():
        transport = httpx.MockTransport(prometheus)
        async with api.client() as client, httpx.AsyncClient(transport=transport, base_url="http://p") as metrics:
            await sampler.sample(client, metrics)

    asyncio.run(main())
    return sampler.latest, sampler


def metrics(request):
    data = {"alerts": [], "result": [{"metric": {"__name__": "slipway:inference_in_flight:sum"}, "value": [0, "7"]}]}
    return httpx.Response(200, json={"data": data, "url": str(request.url)})


def silence(request):
    raise httpx.ConnectError("no server listens", request=request)


def test_a_look_sees_replicas_pods_and_metrics():
    api = Api(pods=[pod()], nodeclaims=[], horizontalpodautoscalers=[])
    seen, _ = take_sample(api, metrics)

    assert (3, 2, 3) == (seen.wanted, seen.ready, seen.updated)
    assert (7.0, (), ()) == (seen.in_flight, seen.alerts, seen.gaps)
    assert ["mnist-predictor-6f9-a"] == [each.name for each in seen.pods]


def test_a_deployment_that_is_not_there_has_no_replica_and_is_no_gap():
    seen, _ = take_sample(Api(deployment=None, pods=[], horizontalpodautoscalers=[]), metrics)

    assert ((0, 0, 0), ()) == ((seen.wanted, seen.ready, seen.updated), seen.gaps)


def test_a_program_is_unhealthy_once_it_has_failed_two_checks_in_a_row():
    checks = [("kserve",), ("keda-operator",), ("keda-operator", "kserve"), ("kserve",), (), ("kserve",)]
    sampler, told = ClusterSampler(connection()), []
    for failed in checks:
        sampler.record_health(failed)
        told.append(take_sample(Api(), metrics, sampler)[0].unhealthy)

    assert [(), (), ("keda-operator",), ("kserve",), (), ()] == told


def test_a_silent_prometheus_is_a_gap_and_the_replicas_are_seen_all_the_same():
    seen, _ = take_sample(Api(pods=[pod()]), silence)

    assert ((("prometheus",), None), 3) == ((seen.gaps, seen.alerts), seen.wanted)


def test_a_silent_api_server_is_a_gap_and_no_node_is_taken_for_gone():
    api = Api(nodes=[node()])
    api.away = True
    seen, sampler = take_sample(api, metrics)

    assert (("apiserver",), None, None) == (seen.gaps, seen.wanted, seen.pods)
    assert () == sampler.observations(0.0).nodes


def test_replicas_that_cannot_be_let_go_are_noted_as_a_failed_action(tmp_path):
    (tmp_path / "Chart.yaml").touch()
    release = HelmRelease(connection(), tmp_path, {}, folder=tmp_path)  # of a cluster without helm
    rehearsal = context(release=release)

    async def main():
        async with Api().client() as client:
            await FaultInjector(rehearsal, client).restore_min_replicas({"minReplicas": 2})

    asyncio.run(main())
    (event,) = rehearsal.sampler.observations(time.time()).events

    assert ("restore_min_replicas", True) == (event.what, event.warning)
    assert event.detail.startswith("helm upgrade: minReplicas is 2 from now on: failed: the cluster's programs have")


def test_an_observer_that_fails_ends_the_rehearsal_with_the_reason(tmp_path):
    async def work(_api, _window_start_s):
        raise ValueError("no such thing")

    write_kubeconfig(tmp_path / "kubeconfig", 1)  # no server listens there
    thread = ObservationThread(context(connection(tmp_path)), work)

    def watch():
        with thread:
            thread.begin(time.time())
            while True:
                thread.require_alive()
                time.sleep(0.01)

    with pytest.raises(ClusterError, match=r"the cluster is no longer observed: .*no such thing"):
        watch()


def test_the_live_line_has_the_load_the_replicas_and_what_is_wrong():
    message = {"second": 3.0, "offered_rps": 900, "p99_ms": 41.5, "errors": 7}
    seen = sample(3.0, wanted=4, ready=1, alerts=(alert(), alert("Calm", state="pending")), gaps=("prometheus",))
    line = load_line(message, seen)

    assert line.startswith("900/s  p99 41.5 ms  [red]7 failed[/]  replicas 1/4")
    assert "SlipwayPodUnschedulable" in line
    assert "Calm" not in line
    assert "no prometheus" in line
    assert "warming up" == load_line(message | {"second": -2.0}, None)


def test_without_a_terminal_the_load_has_a_line_now_and_then():
    console = Console(file=StringIO())
    with LoadProgress(console) as progress:
        for second in (-2.0, 0.0, 1.0, 14.0, 15.0, 16.0):
            message = {"second": second, "window_s": 60.0, "offered_rps": second, "p99_ms": 1.0, "errors": 0}
            progress.show(message, None)

    assert ["warming up", "14.0/s"] == [line.split("  ")[1] for line in console.file.getvalue().splitlines()]


def test_without_a_terminal_a_step_is_a_line_and_the_same_again_is_none():
    console = Console(file=StringIO())
    with steps(console, "looking") as tell:
        for step in ("looking", "waiting", "waiting", "done"):
            tell(step)

    assert ["looking", "waiting", "done"] == console.file.getvalue().splitlines()
