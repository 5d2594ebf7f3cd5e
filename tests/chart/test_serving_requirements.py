"""helm/serving: what cannot work is refused, with the way out; what is installed says what to do next."""

import re
import shlex

import helm_python
import pytest

from tests.chart.rendering import noted, rendered, scenarios
from tests.chart.serving_release import cpu, release, with_

OUTSIDE = {"enabled": True, "hostnames": ["mnist.example.com"]}
PLAIN = {"create": True, "className": "envoy"}


def test_values_without_a_repository_ask_for_it():
    with pytest.raises(helm_python.HelmError, match=r"model\.storageUri is empty: name the folder"):
        release({"autoscaling": {"mode": "none"}})


def test_autoscaling_without_a_measured_capacity_says_how_to_measure():
    with pytest.raises(helm_python.HelmError, match="slipway capacity steady"):
        release({"model": {"storageUri": "pvc://models"}})


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        (with_(autoscaling={"minReplicas": 5, "maxReplicas": 4}), "raise maxReplicas"),
        (with_(autoscaling={"minReplicas": 0}), "name a query that sees requests at the gateway"),
        (with_(autoscaling={"minReplicas": 0, "mode": "hpa"}), "set mode=keda with a wake query"),
        (with_(autoscaling={"wake": {"query": "up"}}), "set minReplicas=0, or empty the query"),
        (with_(autoscaling={"mode": "hpa"}, monitoring={"rules": {"enabled": False}}), "monitoring.rules.enabled=true"),
        (cpu(gpu={"enabled": False, "products": ["NVIDIA-L4"]}), "enable it, or empty gpu.products"),
        (with_(gpu={"enabled": False}), 'set model.configName=""'),
        (with_(gpu={"resourceName": "nvidia.com/mig-1g.5gb", "count": 2}), "set gpu.count=1"),
        (with_(gpu={"products": ["L4"]}, affinity={"nodeAffinity": {"x": 1}}), "into affinity.nodeAffinity"),
        (with_(serviceAccount={"create": False}), "name the ServiceAccount"),
        (with_(serviceAccount={"create": False, "name": "x", "secrets": ["s"]}), "serviceAccount.create=true"),
        (with_(deploymentStrategy={"rollingUpdate": {"maxSurge": 0}}), "no pod can be replaced: set maxSurge=1"),
        (
            with_(deploymentStrategy={"rollingUpdate": {"maxSurge": "0%", "maxUnavailable": "0%"}}),
            "else maxUnavailable=1",
        ),
        (with_(route=OUTSIDE), "route.gateway.create=true"),
        (with_(route={"enabled": True, "gateway": {"create": True, "className": "envoy"}}), "name the hosts"),
        (with_(route={**OUTSIDE, "gateway": {"create": True}}), "kubectl get gatewayclass"),
        (
            with_(route={**OUTSIDE, "parentRefs": [{"name": "x"}], "gateway": {"create": True, "className": "envoy"}}),
            "empty one of them",
        ),
        (with_(route={**OUTSIDE, "gateway": PLAIN}), "or allow it with route.gateway.plainHttp=true"),
        (
            with_(route={**OUTSIDE, "gateway": {**PLAIN, "plainHttp": True, "tlsSecretName": "a"}}),
            "a listener speaks one of them",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_work_is_refused_with_the_remedy(values, remedy):
    with pytest.raises(helm_python.HelmError, match=re.escape(remedy)):
        release(values)


@pytest.mark.parametrize("name", ["1-mnist", "my.mnist", f"m{'x' * 40}"], ids=["digit first", "dot", "long"])
def test_a_release_name_that_kserve_cannot_take_is_refused(name):
    with pytest.raises(helm_python.HelmError, match="choose a"):
        rendered("serving", cpu(), release=name)


@pytest.mark.parametrize(
    "values",
    [
        cpu(model={"storageUri": "ftp://models"}),
        cpu(model={"version": "03"}),
        cpu(image={"tag": "latest"}),
        cpu(image={"digest": "sha256:short"}),
        cpu(resources={"limits": None}),
        cpu(triton={"extraArgs": ["log-verbose=1"]}),
        cpu(podDisruptionBudget={"maxUnavailable": 0}),
        cpu(headroom={"priority": 0}),
        with_(autoscaling={"capacity": {"inFlight": 0}}),
        with_(autoscaling={"prometheus": {"serverAddress": "prometheus:9090"}}),
        cpu(
            topologySpreadConstraints=[
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "x", "labelSelector": {}}
            ]
        ),
    ],
    ids=[
        "storage scheme",
        "version with a zero",
        "latest",
        "digest",
        "no limits",
        "argument without dashes",
        "no disruption ever",
        "placeholder above others",
        "no capacity",
        "address without scheme",
        "own selector",
    ],
)
def test_the_schema_refuses_what_kubernetes_or_triton_would(values):
    with pytest.raises(helm_python.HelmError, match="values don't meet the specifications"):
        release(values)


@pytest.mark.parametrize("scenario", scenarios("serving"), ids=lambda path: path.stem)
def test_the_notes_name_objects_that_are_there(scenario):
    objects = rendered("serving", scenario, release="mnist")
    text = noted("serving", scenario, release="mnist")
    kinds = {"inferenceservice": "InferenceService", "scaledobject": "ScaledObject"}
    named = {(kinds[kind], name) for kind, name in re.findall(r"\b(inferenceservice|scaledobject)/([a-z0-9-]+)", text)}

    assert ("InferenceService", "mnist") in named
    assert named <= set(objects)
    # These two are KServe's to make, and KEDA's.
    assert {"mnist-predictor"} == set(re.findall(r"\b(?:service|deployment)/([a-z0-9-]+)", text))
    assert (("ScaledObject", "mnist") in objects) == ("hpa/keda-hpa-mnist" in text)
    assert (("HorizontalPodAutoscaler", "mnist") in objects) == ("hpa/mnist" in text)
    assert (("Pod", "mnist-test-http") in objects) == ("helm test mnist" in text)


@pytest.mark.parametrize(
    ("uri", "images"),
    [
        ("pvc://models/folder/below", {"claim": "models", "repositoryPath": "folder/below"}),
        ("pvc://models", {"claim": "models", "repositoryPath": ""}),
        ("s3://bucket/folder", {"random": True}),
    ],
)
def test_the_load_test_that_the_notes_name_is_one_that_its_chart_takes(uri, images):
    text = noted("serving", with_(model={"storageUri": uri, "name": "digits"}), release="mnist")
    (command,) = re.findall(r"helm upgrade --install mnist-load helm/loadtest -n serving (.+)", text)
    values = helm_python.parse_set_string(",".join(shlex.split(command.replace("--set", ""))))
    jobs = {kind for kind, _ in rendered("loadtest", values, release="mnist-load")}

    assert ("mnist", "digits") == (values["target"]["release"], values["target"]["model"])
    assert images == values["images"]
    assert "Job" in jobs


def test_the_notes_say_who_builds_the_image_of_the_test_until_it_has_a_registry():
    own = {"image": {"repository": "registry.example.com/slipway-client"}}

    assert "Its image is slipway-client:0.1.0" in noted("serving", with_(), release="mnist")
    assert "Its image is" not in noted("serving", with_(tests=own), release="mnist")
    assert "Its image is" not in noted("serving", with_(tests={"enabled": False}), release="mnist")


def test_the_notes_warn_of_versions_that_part_and_of_slow_nodes():
    warned = noted("serving", with_(), release="mnist")
    settled = noted("serving", with_(model={"version": "3"}, headroom={"mode": "placeholder"}), release="mnist")

    assert 2 == warned.count("NOTE:")
    assert "NOTE:" not in settled
