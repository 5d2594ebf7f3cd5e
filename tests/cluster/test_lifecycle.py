"""A release comes, changes, goes back and goes: nothing of it stays."""

from __future__ import annotations

import pytest

from tests.cluster.kube import eventually, eventually_nothing
from tests.cluster.service import gpu
from tests.cluster.traces import processes

# What a namespace has by itself, or what only tells of the past.
PASSING = ("event/", "event.events.k8s.io/", "lease.coordination.k8s.io/")


@pytest.fixture
def service(new_service):
    return new_service("lifecycle")


@pytest.fixture
def held(kube):
    """Return held() -> the names of all objects in the namespace, and of the release's objects outside it."""
    listable = kube.kubectl("api-resources", "--verbs=list", "--namespaced", "--output=name").split()
    kinds = ",".join(kind for kind in listable if not kind.startswith("events"))

    def look():
        inside = kube.kubectl("get", kinds, "--namespace=lifecycle", "--output=name").split()
        outside = kube.kubectl("get", "priorityclasses", "--output=name").split()
        return {name for name in [*inside, *outside] if not name.startswith(PASSING)}

    return look


def notes(service):
    return {pod["metadata"]["annotations"].get("note") for pod in service.pods() if _stays(pod)}


def _stays(pod):
    return "deletionTimestamp" not in pod["metadata"]


def gpu_nodes(kube):
    return {
        node["metadata"]["name"]
        for node in kube.items("nodes", selector="node.kubernetes.io/instance-type=g6.xlarge")
        if node["spec"].get("taints")
    }


def test_install_upgrade_rollback_and_uninstall_leave_nothing_behind(service, held, kube, cluster):
    before = held()
    service.install(gpu(cluster))
    service.wait_ready()
    first = held()
    nodes = {pod["spec"]["nodeName"] for pod in service.pods()}
    assert nodes <= gpu_nodes(kube)

    route = {"enabled": True, "parentRefs": [{"name": "models"}], "hostnames": ["lifecycle.example.com"]}
    service.install(gpu(cluster, podAnnotations={"note": "second"}, headroom={"mode": "placeholder"}, route=route))
    service.wait_rolled_out()
    second = held()
    assert {"second"} == notes(service)
    assert {
        "deployment.apps/mnist-headroom",
        "httproute.gateway.networking.k8s.io/mnist",
        "priorityclass.scheduling.k8s.io/lifecycle-mnist-headroom-10",
    } <= second - first

    service.rollback(1)
    eventually(lambda: notes(service) == {None}, "the pods of the first revision are not back")
    service.wait_rolled_out()
    assert set() == {name for name in held() - first if "headroom" in name or "httproute" in name}

    service.uninstall()
    eventually(lambda: held() == before, "the release leaves objects")
    folders = cluster.pods / "lifecycle_"
    eventually_nothing(lambda: [p for p in processes(cluster.pods) if str(folders) in p], "pods leave processes")
    eventually(lambda: not nodes & gpu_nodes(kube), "Karpenter keeps empty nodes")
