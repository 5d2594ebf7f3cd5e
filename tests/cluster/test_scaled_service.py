"""The closed loop at small scale, and what must not disturb it: upgrades, KServe, evictions, pods that go."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager

import httpx
import pytest

from tests.cluster.kube import eventually
from tests.cluster.service import cpu, gpu
from tests.cluster.traffic import asking

# Three clients keep almost three requests inside: far more than two replicas are to have.
CLIENTS, IN_FLIGHT = 3, 0.25


def values(cluster, **changes):
    scaling = {"maxReplicas": 2, "capacity": {"inFlight": IN_FLIGHT, "requestsPerSecond": 10}}
    return gpu(cluster, autoscaling=scaling, shutdown={"drainSeconds": 3}, **changes)


@contextmanager
def watching(service, file):
    """Yield a function that returns every value so far of `.spec.replicas` of the service's Deployment."""
    connection = service.kube.connection
    command = (connection.executables["kubectl"], "--kubeconfig", connection.kubeconfig, "get", "deployment")
    where = (service.deployment, "--namespace", service.namespace)
    with file.open("wb") as stream:
        watch = subprocess.Popen(
            (*command, *where, "--watch", "--output=jsonpath={.spec.replicas}{'\\n'}"), stdout=stream
        )
    try:
        yield lambda: [int(line) for line in file.read_text().split()]
    finally:
        watch.kill()
        watch.wait()


@pytest.fixture(scope="module")
def service(new_service, cluster):
    service = new_service("scaled")
    service.install(values(cluster))
    service.wait_ready()
    yield service
    service.uninstall()


@pytest.fixture(scope="module")
def traffic(service):
    with asking(service, clients=CLIENTS) as traffic:
        yield traffic


@pytest.fixture(scope="module")
def replicas(service, traffic, tmp_path_factory):
    """The replicas over time, from the first one until load has brought the second."""
    with watching(service, tmp_path_factory.mktemp("watch") / "replicas") as values:
        eventually(lambda: values() and traffic.answers, "the watch shows nothing, or nothing is answered")
        eventually(lambda: ready(service) == 2, "load does not bring a second replica")
        yield values


def ready(service):
    return service.get("deployment", service.deployment)["status"].get("readyReplicas", 0)


def both_stay(service):
    """The replicas that are ready and not on their way out, once there are two."""

    def look():
        there = [pod for pod in service.pods() if "deletionTimestamp" not in pod["metadata"] and is_ready(pod)]
        return there if len(there) == 2 else None

    return eventually(look, "there are not two ready replicas")


def is_ready(pod):
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))


def test_load_brings_a_second_replica(service, replicas, traffic):
    hpa = service.get("hpa", "keda-hpa-mnist")
    before = [value for value in replicas() if value != 2]

    assert [1] == sorted(set(before))
    assert 2 == hpa["status"]["desiredReplicas"]
    assert 2 == len({pod["spec"]["nodeName"] for pod in both_stay(service)})
    assert traffic.answers > 0
    assert [] == traffic.failures


def test_a_helm_upgrade_under_load_keeps_the_replicas_and_every_request(service, replicas, traffic, cluster):
    seen, answers = len(replicas()), traffic.answers
    service.install(values(cluster, podAnnotations={"note": "upgraded"}))
    eventually(
        lambda: {pod["metadata"]["annotations"].get("note") for pod in service.pods()} == {"upgraded"},
        "old replicas stay",
    )
    both_stay(service)

    assert {2} == set(replicas()[seen - 1 :])
    assert traffic.answers > answers
    assert [] == traffic.failures


def test_kserve_reconciles_and_leaves_the_replicas_alone(service, replicas, kube):
    seen = len(replicas())
    kube.kubectl("annotate", "inferenceservice/mnist", "--namespace", service.namespace, "touched=yes")
    eventually(
        lambda: service.get("deployment", service.deployment)["metadata"]["annotations"].get("touched"),
        "KServe does not reconcile",
    )

    assert {2} == set(replicas()[seen - 1 :])


def evict(kube, pod):
    metadata = {key: pod["metadata"][key] for key in ("name", "namespace")}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/eviction"
    return kube.kubectl("create", "--raw", path, "--filename=-", text=json.dumps(eviction), check=False)


@pytest.mark.usefixtures("replicas")
def test_a_drain_may_take_one_replica_and_not_the_other(service, kube, traffic):
    service.wait_rolled_out()
    first, second = both_stay(service)
    eventually(lambda: service.get("pdb", service.deployment)["status"]["disruptionsAllowed"] == 1, "no disruption")

    assert '"status":"Success"' in evict(kube, first)
    assert "Cannot evict pod as it would violate the pod's disruption budget" in evict(kube, second)
    assert second["metadata"]["uid"] in {pod["metadata"]["uid"] for pod in both_stay(service)}
    assert [] == traffic.failures


@pytest.mark.usefixtures("replicas")
def test_a_pod_that_is_deleted_answers_while_it_drains_and_no_request_is_lost(service, kube, traffic):
    doomed, _ = both_stay(service)
    answers = traffic.answers
    kube.kubectl("delete", "pod", doomed["metadata"]["name"], "--namespace", service.namespace, "--wait=false")
    own = httpx.get(f"http://{doomed['status']['podIP']}:8080/v2/health/live", timeout=10, trust_env=False)
    eventually(
        lambda: doomed["metadata"]["name"] not in {pod["metadata"]["name"] for pod in service.pods()}, "it stays"
    )
    both_stay(service)

    assert 200 == own.status_code
    assert traffic.answers > answers
    assert [] == traffic.failures


def test_without_an_autoscaler_kserve_holds_the_replicas(new_service, cluster, kube, tmp_path):
    fixed = new_service("fixed")
    fixed.install(cpu(cluster))
    eventually(lambda: kube.items("deployments", namespace="fixed"), "KServe makes no Deployment")
    with watching(fixed, tmp_path / "replicas") as replicas:
        eventually(replicas, "the watch shows nothing")
        kube.kubectl("scale", f"deployment/{fixed.deployment}", "--namespace=fixed", "--replicas=2")
        eventually(lambda: 2 in replicas() and replicas()[-1] == 1, "KServe leaves what somebody scaled")
    fixed.uninstall()
