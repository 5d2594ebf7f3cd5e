"""Before the load runs: what an earlier rehearsal left is taken away, and the service is waited for."""

import asyncio

import pytest

from rehearsal.cluster.nodes.pools import LOST, load_nodes, node_objects
from rehearsal.errors import ClusterError, NotServing
from rehearsal.experiment.run.preparation import remove_leftovers, require_exclusive_namespace
from rehearsal.experiment.run.readiness import wait_until_serving
from tests.unit.api_answers import Api
from tests.unit.clusters import connection
from tests.unit.rehearsal.experiment.run.test_responses import CRASHING, node, pod


def waiting(api, **changes):
    async def main():
        async with api.client() as client:
            await wait_until_serving(
                client, connection(), **{"replicas": 2, "within_s": 0.0, "show": lambda _: None} | changes
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
            await remove_leftovers(client, connection())

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
            await remove_leftovers(client, connection(nodes=fixed))

    asyncio.run(main())

    assert [("POST", "/api/v1/nodes", "gpu-1")] == [
        (method, path, content["metadata"]["name"]) for method, path, content in api.told if method == "POST"
    ]


def test_a_namespace_with_somebody_elses_service_is_not_rehearsed_in():
    def looks(*names):
        api = Api(inferenceservices=[{"metadata": {"name": name}} for name in names])

        async def main():
            async with api.client() as client:
                await require_exclusive_namespace(client, connection())

        asyncio.run(main())

    looks()
    looks("mnist")
    with pytest.raises(
        ClusterError, match="expected no InferenceService but mnist, got canary, which would get part of the load"
    ):
        looks("canary", "mnist")
