"""helm/serving: what is handed through arrives where Kubernetes reads it, and is absent when it is not given."""

import pytest

from tests.chart.serving_release import container, cpu, predictor, release, with_

DIGEST = f"sha256:{'b' * 64}"
OWN_GATEWAY = {"create": True, "className": "envoy", "tlsSecretName": "tls", "annotations": {"issuer": "letsencrypt"}}
ROUTE = {"enabled": True, "hostnames": ["mnist.example.com"], "gateway": OWN_GATEWAY}
EVERYWHERE = with_(
    headroom={"mode": "placeholder"},
    imagePullSecrets=[{"name": "registry"}],
    nodeSelector={"pool": "gpu"},
    gpu={"runtimeClassName": "nvidia"},
)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("annotations", {"podAnnotations": {"team": "vision"}}),
        ("nodeSelector", {"nodeSelector": {"pool": "gpu"}}),
        ("priorityClassName", {"priorityClassName": "serving"}),
        ("runtimeClassName", {"gpu": {"runtimeClassName": "nvidia"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_said_of_pods_stands_on_the_predictor(name, given):
    ((_, value),) = given.items()

    assert (value["runtimeClassName"] if name == "runtimeClassName" else value) == predictor(with_(**given))[name]
    assert name not in predictor(with_())


def test_further_arguments_and_variables_come_last():
    extra = {"extraArgs": ["--log-verbose=1"], "extraEnv": [{"name": "A", "value": "b"}]}

    assert "--log-verbose=1" == container(with_(triton=extra))["args"][-1]
    assert {"name": "A", "value": "b"} == container(with_(triton=extra))["env"][-1]
    assert "A" not in {entry["name"] for entry in container(with_())["env"]}


def test_own_tolerations_are_added_to_the_gpus():
    own = {"key": "dedicated", "operator": "Exists"}

    assert ["nvidia.com/gpu", "dedicated"] == [t["key"] for t in predictor(with_(tolerations=[own]))["tolerations"]]
    assert [own] == predictor(cpu(tolerations=[own]))["tolerations"]


def test_the_latency_histogram_is_asked_for_unless_it_is_switched_off():
    flag = "--metrics-config=histogram_latencies=true"

    assert flag in container(with_())["args"]
    assert flag not in container(with_(monitoring={"latencyHistogram": False}))["args"]


def test_every_pod_pulls_with_the_same_secrets():
    objects = release(EVERYWHERE)
    placeholder = objects["Deployment", "mnist-headroom"]["spec"]["template"]["spec"]
    specs = [objects["ServingRuntime", "mnist-triton"]["spec"], placeholder, objects["Pod", "mnist-test-http"]["spec"]]

    assert [[{"name": "registry"}]] * 3 == [spec["imagePullSecrets"] for spec in specs]
    assert "imagePullSecrets" not in release(with_())["ServingRuntime", "mnist-triton"]["spec"]


def test_a_placeholder_needs_the_replicas_runtime_class():
    placeholder = release(EVERYWHERE)["Deployment", "mnist-headroom"]["spec"]["template"]["spec"]

    assert "nvidia" == placeholder["runtimeClassName"]
    assert {"pool": "gpu"} == placeholder["nodeSelector"]


def test_hpa_leaves_the_pending_metric_out_when_it_is_switched_off():
    scaling = {"mode": "hpa", "pending": {"enabled": False}}
    (metric,) = release(with_(autoscaling=scaling))["HorizontalPodAutoscaler", "mnist"]["spec"]["metrics"]

    assert "slipway_inference_in_flight" == metric["external"]["metric"]["name"]


def test_the_gateways_annotations_and_the_routes_hosts_are_handed_on():
    objects = release(with_(route=ROUTE))
    no_hosts = release(with_(route={"enabled": True, "parentRefs": [{"name": "public"}]}))["HTTPRoute", "mnist"]

    assert {"issuer": "letsencrypt"} == objects["Gateway", "mnist"]["metadata"]["annotations"]
    assert ["mnist.example.com"] == objects["HTTPRoute", "mnist"]["spec"]["hostnames"]
    assert "hostnames" not in no_hosts["spec"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [({}, "slipway-client:0.1.0"), ({"digest": DIGEST}, f"slipway-client@{DIGEST}")],
    ids=["tag", "digest"],
)
def test_the_test_pods_run_the_named_image(image, expected):
    pod = release(with_(tests={"image": image}))["Pod", "mnist-test-ready"]

    assert expected == pod["spec"]["containers"][0]["image"]


def test_the_test_pods_reach_the_service_its_metrics_and_dns_alone():
    objects = release(with_())
    policy = objects["NetworkPolicy", "mnist-test"]["spec"]
    metrics = objects["NetworkPolicy", "mnist-predictor"]["spec"]["ingress"][1]["from"]

    assert {53, 80, 8080, 9000, 8002} == {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert policy["podSelector"] in [peer.get("podSelector") for peer in metrics]
    assert ("NetworkPolicy", "mnist-test") not in release(with_(networkPolicy={"enabled": False}))
    assert ("NetworkPolicy", "mnist-test") not in release(with_(tests={"enabled": False}))
    assert ("ConfigMap", "mnist-test-picture") not in release(with_(tests={"enabled": False}))
