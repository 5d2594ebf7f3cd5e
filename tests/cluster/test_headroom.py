"""Room for the next replica: placeholders that give way, and a buffer that Karpenter keeps."""

from __future__ import annotations

import pytest

from tests.cluster.kube import eventually
from tests.cluster.service import gpu


def nodes_of(pods):
    return {pod["spec"]["nodeName"] for pod in pods if "nodeName" in pod["spec"]}


def empty_nodes(kube):
    """GPU nodes that no pod is on."""
    nodes = kube.items("nodes", selector="node.kubernetes.io/instance-type=g6.xlarge")
    return {node["metadata"]["name"] for node in nodes} - nodes_of(kube.items("pods"))


@pytest.fixture
def service(new_service, request):
    service = new_service(request.param)
    yield service
    service.uninstall()


@pytest.mark.parametrize("service", ["placeholder"], indirect=True)
def test_a_replica_takes_the_node_of_a_placeholder_which_gets_another(service, kube, cluster):
    def placeholders():
        selector = "app.kubernetes.io/component=headroom"
        return nodes_of(kube.items("pods", namespace=service.namespace, selector=selector))

    service.install(gpu(cluster, headroom={"mode": "placeholder"}))
    service.wait_ready()
    kept = eventually(placeholders, "the placeholder has no node")
    eventually(lambda: not empty_nodes(kube), "nodes of earlier tests are not given back")
    service.install(gpu(cluster, headroom={"mode": "placeholder"}, autoscaling={"minReplicas": 2}))
    taken = eventually(lambda: nodes_of(service.pods()) & kept, "no replica runs on the placeholder's node")
    again = eventually(lambda: placeholders() - kept, "the placeholder got no other node")
    reasons = [event["reason"] for event in kube.items("events", namespace=service.namespace)]

    assert 1 == len(kept) == len(again)
    assert kept == taken
    assert "Preempted" in reasons


@pytest.mark.parametrize("service", ["buffer"], indirect=True)
def test_karpenter_keeps_a_node_for_a_capacity_buffer(service, kube, cluster):
    service.install(gpu(cluster, headroom={"mode": "capacityBuffer"}))
    service.wait_ready()

    def buffer():
        status = service.get("capacitybuffer", "mnist").get("status", {})
        return {each["type"]: each["reason"] for each in status.get("conditions", ())}

    eventually(lambda: buffer().get("Provisioning") == "FitsExistingCapacity", "there is no room for the buffer")
    eventually(lambda: len(empty_nodes(kube)) == 1, "the buffer has not exactly one node")

    assert "Resolved" == buffer()["ReadyForProvisioning"]
