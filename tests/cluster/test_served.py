"""A service that serves: what the chart makes beside it is in effect, and `helm test` tells right from wrong."""

from __future__ import annotations

import httpx
import onnxruntime
import pytest
import yaml

from slipway.client._tensors import to_batch
from slipway.model_config import parse_config, read_contract
from tests.chart.rendering import HELM
from tests.cluster.kube import eventually
from tests.cluster.service import gpu

HOST = "mnist.example.com"


@pytest.fixture(scope="module")
def seven(published):
    """What the published model says of the picture that the chart brings along."""
    model = published / "mnist"
    contract = read_contract(parse_config((model / "config.pbtxt").read_text()))
    batch = to_batch(HELM / "serving" / "files" / "seven.png", contract)
    session = onnxruntime.InferenceSession(model / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(None, {"image": batch})
    return str(probabilities[0].argmax())


def values(cluster, expect):
    return gpu(
        cluster,
        tests={"expect": expect, "waitSeconds": 30},
        route={"enabled": True, "parentRefs": [{"name": "models"}], "hostnames": [HOST], "timeoutSeconds": 5},
    )


@pytest.fixture(scope="module")
def service(new_service, cluster, seven):
    service = new_service("served")
    service.install(values(cluster, seven))
    service.wait_ready()
    yield service
    service.uninstall()


def shipped(*path):
    found = yaml.safe_load((HELM / "serving" / "values.yaml").read_text(encoding="utf-8"))
    for key in path:
        found = found[key]
    return found


def test_keda_is_ready_and_gives_the_hpa_the_charts_behavior(service, kube):
    kube.wait("scaledobject/mnist", "condition=Ready", namespace=service.namespace)
    spec = service.get("hpa", "keda-hpa-mnist")["spec"]
    expected = shipped("autoscaling", "behavior")
    for direction, rules in spec["behavior"].items():
        rules["policies"].sort(key=lambda policy: policy["type"])
        expected[direction]["policies"].sort(key=lambda policy: policy["type"])

    assert expected == spec["behavior"]
    assert {"name": "mnist-predictor", "kind": "Deployment", "apiVersion": "apps/v1"} == spec["scaleTargetRef"]
    assert (shipped("autoscaling", "minReplicas"), shipped("autoscaling", "maxReplicas")) == (
        spec["minReplicas"],
        spec["maxReplicas"],
    )


def test_prometheus_reads_the_pods_that_the_pod_monitor_selects(service, cluster):
    def up():
        question = {"query": f'up{{namespace="{service.namespace}",container="kserve-container"}}'}
        answer = httpx.get(f"{cluster.prometheus_url}/api/v1/query", params=question, trust_env=False).json()
        return [each["value"][1] for each in answer["data"]["result"]]

    eventually(lambda: up() == ["1"], "Prometheus does not read the pod's metrics")


def test_prometheus_evaluates_the_charts_rules(service, cluster):
    def named():
        answer = httpx.get(f"{cluster.prometheus_url}/api/v1/rules", trust_env=False).json()
        return {
            rule["name"]
            for group in answer["data"]["groups"]
            for rule in group["rules"]
            if service.namespace in rule["query"] and rule["health"] == "ok"
        }

    eventually(lambda: len(named()) > 20, "Prometheus has not evaluated the release's rules")


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/health/ready", 200),
        ("/v2/models/mnist/ready", 200),
        ("/v2/models/mnist/versions/2/ready", 200),
        ("/v2/repository/index", 404),
        ("/v2/models/other/ready", 404),
        ("/metrics", 404),
    ],
)
def test_the_route_lets_through_what_a_client_asks_and_no_more(cluster, path, status):
    def asked():
        answer = httpx.get(f"{cluster.gateway_url}{path}", headers={"Host": HOST}, timeout=10, trust_env=False)
        return answer.status_code

    eventually(lambda: asked() == status, f"{path}: expected {status}, got {asked()}", within_s=20)


def test_the_network_policy_selects_the_replicas_and_nothing_else(service, kube):
    policy = service.get("networkpolicy", service.deployment)["spec"]
    selector = ",".join(f"{key}={value}" for key, value in policy["podSelector"]["matchLabels"].items())
    selected = kube.items("pods", namespace=service.namespace, selector=selector)

    assert {"Ingress", "Egress"} == set(policy["policyTypes"])
    assert {pod["metadata"]["name"] for pod in service.pods()} == {pod["metadata"]["name"] for pod in selected}


def test_kubectl_shows_what_a_tritonserver_says_and_follows_it(service, kube):
    logs = ("logs", f"deployment/{service.deployment}", "--namespace", service.namespace)
    whole = kube.kubectl(*logs)
    lines = whole.splitlines()
    with kube.following(*logs, "--tail=1", "--follow") as follower:
        first = follower.stdout.readline().rstrip()
        following = follower.poll() is None

    assert "Started HTTPService" in whole
    assert (lines[-1], True) == (first, following)


def test_kubectl_is_told_that_a_pod_which_kwok_plays_says_nothing(kube):
    (pod,) = kube.items("pods", selector="app=canary")
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    said = kube.kubectl("logs", name, "--namespace", namespace, check=False)

    assert f"pod {name} has no log: kwok simulates it" in said


def test_helm_test_passes_on_a_service_that_answers_right(service):
    said = service.test("--logs")

    assert 4 == said.count("Phase:          Succeeded")
    assert "Failed" not in said
    assert 4 == said.count("POD LOGS: mnist-test-")


def test_helm_test_fails_on_another_answer_than_expected_and_shows_it(service, cluster, seven):
    other = str((int(seven) + 1) % 10)
    service.install(values(cluster, other))
    said = service.test("--logs", "--filter", "name=mnist-test-http")

    assert "Phase:          Failed" in said
    assert f"expected {other} for " in said
    assert f", got {seven} " in said
