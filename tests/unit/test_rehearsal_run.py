"""While the load runs: what is done at the API server, what is seen of it, and what happens when it is away."""

import asyncio
import json
import time

import httpx
import pytest

from rehearsal.actions import LoseNode, SetGpuLimit, Stop
from rehearsal.errors import ClusterError, NotServing
from rehearsal.nodes.objects import LOST, node_objects
from rehearsal.nodes.types import load_nodes
from rehearsal.run.chart import Chart
from rehearsal.run.live import load_line
from rehearsal.run.observer import Observer
from rehearsal.run.perform import Performer, set_gpu_limit
from rehearsal.run.ready import clear, require_alone, wait_until_serving
from rehearsal.run.recorder import Recorder
from tests.unit.api_server import write_kubeconfig
from tests.unit.clusters import connection
from tests.unit.rehearsal_results import alert, sample
from tests.unit.test_rehearsal_looks import CRASHING, node, pod

DEPLOYMENT = {"spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 3}}


class Api:
    """An API server that answers with what it was given, and keeps what it was told."""

    def __init__(self, *, deployment=DEPLOYMENT, **lists):
        self.deployment = deployment
        self.lists = {"nodes": [], "pods": [], "nodepools": [], "events": [], **lists}
        self.told = []
        self.away = False

    def __call__(self, request):
        if self.away:
            raise httpx.ConnectError("nobody listens", request=request)
        kind = request.url.path.rpartition("/")[2]
        if request.method != "GET":
            content = json.loads(request.content) if request.content else None
            self.told.append((request.method, request.url.path, content))
            if request.method == "DELETE":
                self.lists[request.url.path.split("/")[-2]] = []
            return httpx.Response(200, json={})
        if kind == "mnist-predictor" and self.deployment is not None:
            return httpx.Response(200, json=self.deployment)
        if kind not in self.lists:
            return httpx.Response(404, json={})
        return httpx.Response(200, json={"items": self.lists[kind]})

    def client(self):
        return httpx.AsyncClient(transport=httpx.MockTransport(self), base_url="https://api")


def perform(api, action):
    """Do one action; what was noted."""

    async def main():
        recorder = Recorder(connection())
        async with api.client() as client:
            performer = Performer(connection(), None, None, recorder, client)
            await performer.perform(action)
        return recorder.observations(time.time()).events

    (event,) = asyncio.run(main())
    return event


def test_a_node_with_a_ready_replica_is_lost_and_its_heartbeat_with_it():
    api = Api(nodes=[node(), node(gpus="0")], pods=[pod(node="node-x"), pod("b", node="elsewhere")])
    event = perform(api, LoseNode(at_s=0, do="lose_node"))
    change = {"metadata": {"annotations": {"rehearsal.slipway/lost": "true", "kwok.x-k8s.io/node": None}}}

    lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-x"

    assert ("PATCH", "/api/v1/nodes/node-x", change) == api.told[0]
    assert [lease] == [path for _, path, _ in api.told[1:]]
    assert "lost" == api.told[1][2]["spec"]["holderIdentity"]
    assert ("node-x", "lose_node", False) == (event.subject, event.what, event.warning)


def test_an_action_that_cannot_be_done_is_noted_as_failed():
    event = perform(Api(nodes=[node()]), LoseNode(at_s=0, do="lose_node"))

    assert event.warning
    assert "it failed: expected a GPU node with a ready replica, got none" in event.detail


def test_an_action_fails_where_the_cluster_is_away_and_nothing_else_does():
    api = Api()
    api.away = True

    assert perform(api, LoseNode(at_s=0, do="lose_node")).warning
    assert perform(Api(), Stop(at_s=0, do="stop", programs=["prometheus"])).warning


def test_every_pool_gets_the_new_limit():
    api = Api(nodepools=[{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}])
    perform(api, SetGpuLimit(at_s=0, do="set_gpu_limit", gpus=6))

    assert {"a", "b"} == {path.rpartition("/")[2] for _, path, _ in api.told}
    assert all({"spec": {"limits": {"nvidia.com/gpu": "6"}}} == change for *_, change in api.told)


def test_a_limit_without_pools_is_refused():
    async def main():
        async with Api().client() as client:
            await set_gpu_limit(client, 3)

    with pytest.raises(ClusterError, match="got none"):
        asyncio.run(main())


def look(api, prometheus, recorder=None):
    """One look; the sample, and the recorder that keeps it."""
    recorder = recorder or Recorder(connection())

    async def main():
        transport = httpx.MockTransport(prometheus)
        async with api.client() as client, httpx.AsyncClient(transport=transport, base_url="http://p") as metrics:
            await recorder.look(client, metrics)

    asyncio.run(main())
    return recorder.latest, recorder


def metrics(request):
    data = {"alerts": [], "result": [{"metric": {"__name__": "slipway:inference_in_flight:sum"}, "value": [0, "7"]}]}
    return httpx.Response(200, json={"data": data, "url": str(request.url)})


def silence(request):
    raise httpx.ConnectError("nobody listens", request=request)


def test_a_look_sees_replicas_pods_and_metrics():
    api = Api(pods=[pod()], nodeclaims=[], horizontalpodautoscalers=[])
    seen, _ = look(api, metrics)

    assert (3, 2, 3) == (seen.wanted, seen.ready, seen.updated)
    assert (7.0, (), ()) == (seen.in_flight, seen.alerts, seen.gaps)
    assert ["mnist-predictor-6f9-a"] == [each.name for each in seen.pods]


def test_a_deployment_that_is_not_there_has_no_replica_and_is_no_gap():
    seen, _ = look(Api(deployment=None, pods=[], horizontalpodautoscalers=[]), metrics)

    assert ((0, 0, 0), ()) == ((seen.wanted, seen.ready, seen.updated), seen.gaps)


def test_a_program_is_unhealthy_once_it_has_failed_two_checks_in_a_row():
    checks = [("kserve",), ("keda-operator",), ("keda-operator", "kserve"), ("kserve",), (), ("kserve",)]
    recorder, told = Recorder(connection()), []
    for failed in checks:
        recorder.note_health(failed)
        told.append(look(Api(), metrics, recorder)[0].unhealthy)

    assert [(), (), ("keda-operator",), ("kserve",), (), ()] == told


def test_a_silent_prometheus_is_a_gap_and_the_replicas_are_seen_all_the_same():
    seen, _ = look(Api(pods=[pod()]), silence)

    assert ((("prometheus",), None), 3) == ((seen.gaps, seen.alerts), seen.wanted)


def test_a_silent_api_server_is_a_gap_and_no_node_is_taken_for_gone():
    api = Api(nodes=[node()])
    api.away = True
    seen, recorder = look(api, metrics)

    assert (("apiserver",), None, None) == (seen.gaps, seen.wanted, seen.pods)
    assert () == recorder.observations(0.0).nodes


def waiting(api, **changes):
    async def main():
        async with api.client() as client:
            await wait_until_serving(
                client, connection(), **{"replicas": 2, "within_s": 0.0, "tell": lambda _: None} | changes
            )

    asyncio.run(main())


def test_a_service_that_does_not_come_is_told_with_its_pods_and_their_last_words():
    api = Api(pods=[pod(ready=False, containers=[CRASHING])], deployment={"spec": {}, "status": {}})
    with pytest.raises(NotServing) as error:
        waiting(api)

    assert "0 of 2 replicas are ready" in str(error.value)
    assert "mnist-predictor-6f9-a: Running, CrashLoopBackOff" in str(error.value)
    assert "start-triton: no" in str(error.value)


def test_what_the_scheduler_says_of_a_pod_without_a_node_is_told():
    says = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no claim theirs"}
    api = Api(pods=[pod(ready=False, node="", conditions=[says])], deployment={"spec": {}, "status": {}})
    with pytest.raises(NotServing, match="Unschedulable, on no node\n  no claim theirs"):
        waiting(api)


def test_replicas_that_the_gateway_does_not_reach_are_not_serving():
    api = Api(pods=[pod()])
    with pytest.raises(NotServing, match="2 replicas are ready, and the gateway does not answer"):
        waiting(api)


def test_what_an_earlier_rehearsal_left_is_taken_away_at_once():
    api = Api(pods=[pod()], nodes=[node(lost=True), node()], nodeclaims=[{"metadata": {"name": "g6-x"}}])

    async def main():
        async with api.client() as client:
            await clear(client, connection())

    asyncio.run(main())

    assert [
        "/api/v1/nodes/node-x",
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-x",
        "/api/v1/namespaces/serving/pods/mnist-predictor-6f9-a",
        "/apis/karpenter.sh/v1/nodeclaims/g6-x",
    ] == [path for method, path, _ in api.told if method == "DELETE"]


def test_lost_nodes_of_a_fixed_pool_are_put_back():
    fixed = load_nodes("fixed")
    lost, *others = node_objects(fixed)
    lost["metadata"]["annotations"] = {LOST: "true"}
    api = Api(nodes=[lost, *others])

    async def main():
        async with api.client() as client:
            await clear(client, connection(nodes=fixed))

    asyncio.run(main())

    assert [("POST", "/api/v1/nodes", "gpu-1")] == [
        (method, path, content["metadata"]["name"]) for method, path, content in api.told if method == "POST"
    ]


def test_a_namespace_with_somebody_elses_service_is_not_rehearsed_in():
    def looks(*names):
        api = Api(inferenceservices=[{"metadata": {"name": name}} for name in names])

        async def main():
            async with api.client() as client:
                await require_alone(client, connection())

        asyncio.run(main())

    looks()
    looks("mnist")
    with pytest.raises(ClusterError, match="expected no InferenceService but mnist, got canary, which would answer"):
        looks("canary", "mnist")


def test_replicas_that_cannot_be_let_go_are_noted_as_a_failed_action(tmp_path):
    (tmp_path / "Chart.yaml").touch()
    chart = Chart(connection(), tmp_path, {}, folder=tmp_path)  # of a cluster without helm
    recorder = Recorder(connection())

    async def main():
        async with Api().client() as client:
            await Performer(connection(), chart, None, recorder, client).let_go({"minReplicas": 2})

    asyncio.run(main())
    (event,) = recorder.observations(time.time()).events

    assert ("let_go", True) == (event.what, event.warning)
    assert event.detail.startswith("helm upgrade: minReplicas is 2 from now on: it failed: the cluster's programs have")


def test_an_observer_that_fails_ends_the_rehearsal_with_the_reason(tmp_path):
    async def work(_api, _zero_s):
        raise ValueError("no such thing")

    write_kubeconfig(tmp_path / "kubeconfig", 1)  # nobody listens there
    observer = Observer(connection(tmp_path), Recorder(connection(tmp_path)), work)

    def watch():
        with observer:
            observer.begin(time.time())
            while True:
                observer.require_alive()
                time.sleep(0.01)

    with pytest.raises(ClusterError, match=r"nobody looks at the cluster any more: .*no such thing"):
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
