"""Every object of every chart's scenarios passes the real admission: schemas, webhooks, restricted Pod Security."""

from __future__ import annotations

import copy

import pytest
import yaml

from tests.chart.pods import TEMPLATES
from tests.chart.rendering import ROOT, every_scenario, rendered, scenario_id
from tests.cluster.dry_run import refusals
from tests.cluster.kube import eventually
from tests.cluster.service import restricted

NAMESPACE, MADE = "admission", "admission-made"
# KServe makes Deployments there, and no pod of them comes to be.
NO_PODS = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-pods", "namespace": MADE},
    "spec": {"hard": {"pods": "0"}},
}
PLAIN = [
    "k8s/kind/claim.yaml",
    "k8s/platform/gateway.yaml",
    "k8s/gpu-sharing/karpenter-nodeoverlay.yaml",
]


def scenario_objects(namespace):
    """Every object of every scenario; each scenario is a release of its own name."""
    found = []
    for chart, scenario in every_scenario():
        release = f"{scenario_id(chart)}-{scenario_id(scenario)}"
        found += rendered(chart.name, scenario, release=release, namespace=namespace).values()
    return found


def templates(objects):
    """The pods that the objects lead to, as objects of their own; InferenceServices aside."""
    for document in objects:
        if document["kind"] in TEMPLATES:
            template = document
            for key in filter(None, TEMPLATES[document["kind"]].split(".")):
                template = template[key]
            yield pod(template, f"{document['kind'].lower()}-{document['metadata']['name']}")


def pod(template, name):
    """The pod that a controller would make of a template."""
    metadata = {key: value for key, value in template["metadata"].items() if key in ("labels", "annotations")}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "name": name, "namespace": NAMESPACE},
        "spec": template["spec"],
    }


def named(pods, key):
    """Names of objects without which a pod is refused, whatever else it says."""
    return {each["spec"][key] for each in pods if key in each["spec"]}


def around(pods, objects):
    """What the pods name: from the scenarios, and what those expect to be there already."""
    own = [each for each in objects if each["kind"] in ("PriorityClass", "ServiceAccount")]
    names = {each["metadata"]["name"] for each in own}
    for name in named(pods, "priorityClassName") - names:
        yield {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1}
    for name in named(pods, "runtimeClassName"):
        yield {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": name}
    for name in named(pods, "serviceAccountName") - names:
        yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}
    # KServe's webhook looks into the secrets that a ServiceAccount lists.
    for name in {secret["name"] for each in own for secret in each.get("secrets", ())}:
        yield {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}}
    yield from own


@pytest.fixture(scope="module", autouse=True)
def namespaces(kube):
    """Those that the repository has, and those of these tests."""
    kube.kubectl("apply", "--filename", ROOT / "k8s" / "namespaces.yaml")
    kube.apply(restricted(NAMESPACE), restricted(MADE), NO_PODS)


@pytest.fixture(scope="module")
def refused(kube):
    """Return refused(objects) -> what the API server says to those that it refuses."""

    def ask(objects):
        return refusals(kube.connection.kubeconfig, objects)

    return ask


@pytest.fixture(scope="module")
def objects():
    return scenario_objects(NAMESPACE)


@pytest.fixture(scope="module")
def predictors(kube):
    """What KServe makes of every scenario's InferenceService: Deployments by name."""
    wanted = [each for each in scenario_objects(MADE) if each["kind"] in ("ServingRuntime", "InferenceService")]
    kube.apply(*wanted)
    names = {f"{each['metadata']['name']}-predictor" for each in wanted if each["kind"] == "InferenceService"}

    def made():
        found = {each["metadata"]["name"]: each for each in kube.items("deployments", namespace=MADE)}
        return found if names <= found.keys() else None

    yield eventually(made, f"KServe did not make all of {names}")
    kube.kubectl("delete", "inferenceservices", "--all", "--namespace", MADE, "--wait=false")


def test_every_object_of_every_scenario_is_admitted(objects, refused):
    assert [] == refused(objects)
    assert {"serving", "training", "loadtest"} == {scenario_id(chart) for chart, _ in every_scenario()}
    assert len(objects) > 200


def test_every_pod_of_every_scenario_is_admitted_under_restricted_pod_security(objects, predictors, kube, refused):
    pods = [*templates(objects), *(pod(each["spec"]["template"], name) for name, each in predictors.items())]
    kube.apply(*around(pods, objects))

    assert [] == refused(pods)
    assert len(predictors) > 10


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_an_overlay_is_admitted(kube, refused, profile):
    text = kube.kubectl("kustomize", ROOT / "k8s" / "overlays" / profile)
    documents = [*yaml.safe_load_all(text)]

    assert [] == refused(documents)
    assert len(documents) >= 5


@pytest.mark.parametrize("path", PLAIN)
def test_a_plain_manifest_is_admitted(refused, path):
    documents = [each for each in yaml.safe_load_all((ROOT / path).read_text(encoding="utf-8")) if each]

    assert [] == refused(documents)
    assert documents


def broken(objects, kind, change):
    """The first object of a kind, changed."""
    found = copy.deepcopy(next(each for each in objects if each["kind"] == kind))
    change(found)
    return found


def set_autoscaler_class(isvc):
    isvc["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] = "extern"


def name_both_triggers_alike(scaled):
    for trigger in scaled["spec"]["triggers"]:
        trigger["name"] = "pending"


def misspell_port(monitor):
    monitor["spec"]["podMetricsEndpoints"][0]["prot"] = "metrics"


def outlast_the_request(route):
    route["spec"]["rules"][0]["timeouts"]["backendRequest"] = "1h"


def allow_escalation(pod):
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True


@pytest.mark.parametrize(
    ("kind", "change", "by"),
    [
        ("InferenceService", set_autoscaler_class, "inferenceservice.kserve-webhook-server"),
        ("ScaledObject", name_both_triggers_alike, "vscaledobject.kb.io"),
        ("PodMonitor", misspell_port, "unknown field"),
        ("HTTPRoute", outlast_the_request, "cannot be longer than request timeout"),
        ("Pod", allow_escalation, "violates PodSecurity"),
    ],
)
def test_a_wrong_object_is_refused(objects, refused, kind, change, by):
    (said,) = refused([broken(objects, kind, change)])

    assert by in said
