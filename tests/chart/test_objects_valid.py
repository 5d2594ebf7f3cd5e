"""Every object of every scenario is one that the API server would take as it stands."""

from __future__ import annotations

import copy

import pytest
from helm_python import HelmRenderError

from tests.chart.rendering import documents, every_scenario, rendered, scenario_id
from tests.chart.schemas import NEWEST, OLDEST, closed_schema, findings

in_every_scenario = pytest.mark.parametrize(("chart", "scenario"), every_scenario(), ids=scenario_id)
on_both_ends = pytest.mark.parametrize("version", [OLDEST, NEWEST])
# Of a release's name, in letters: what Helm takes, and what a chart must leave.
LONGEST_OF_HELM, SHORTEST_LIMIT = 53, 20

INFERENCE_SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: digits}
spec:
  predictor:
    minReplicas: 1
    securityContext: {runAsNonRoot: true}
    model:
      modelFormat: {name: triton}
      resources: {limits: {cpu: 2, memory: 1Gi}}
      readinessProbe: {httpGet: {port: http, path: /v2/health/ready}}
"""
SERVING_RUNTIME = """
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: triton}
spec:
  containers: [{name: kserve-container, image: triton:1, args: [tritonserver]}]
"""
SCALED_OBJECT = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: digits}
spec:
  scaleTargetRef: {name: digits-predictor}
  triggers: [{type: prometheus, metadata: {threshold: "5"}}]
"""
POD_MONITOR = """
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: digits}
spec:
  selector: {matchLabels: {app: digits}}
  podMetricsEndpoints: [{port: metrics, interval: 15s}]
"""
HTTP_ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: digits}
spec:
  parentRefs: [{name: gateway}]
  rules: [{backendRefs: [{name: digits, port: 80}]}]
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: digits}
spec:
  selector: {matchLabels: {app: digits}}
  strategy: {rollingUpdate: {maxSurge: 25%, maxUnavailable: 0}}
  template:
    metadata: {labels: {app: digits}}
    spec:
      containers: [{name: pause, image: pause:1, resources: {limits: {cpu: 100m}}}]
"""
GOOD = {
    "InferenceService": INFERENCE_SERVICE,
    "ServingRuntime": SERVING_RUNTIME,
    "ScaledObject": SCALED_OBJECT,
    "PodMonitor": POD_MONITOR,
    "HTTPRoute": HTTP_ROUTE,
    "Deployment": DEPLOYMENT,
}


@on_both_ends
@in_every_scenario
def test_every_object_is_valid(crds, chart, scenario, version):
    objects = rendered(chart, scenario, kube_version=f"v{version}")
    said = [sentence for document in objects.values() for sentence in findings(document, version=version, crds=crds)]

    assert [] == said


def with_the_longest_release_name(chart, scenario):
    """Return the release whose name is as long as the chart lets it be; refused ones must say that it is the name."""
    for length in range(LONGEST_OF_HELM, SHORTEST_LIMIT, -1):
        try:
            return rendered(chart, scenario, release="r" * length)
        except HelmRenderError as error:
            if "name" not in str(error) or str(length) not in str(error):
                raise
    return pytest.fail(f"{chart.name} leaves {SHORTEST_LIMIT} letters or fewer to the name of a release")


@in_every_scenario
def test_the_longest_name_that_a_release_may_have_makes_valid_objects(crds, chart, scenario):
    objects = with_the_longest_release_name(chart, scenario)
    said = [sentence for document in objects.values() for sentence in findings(document, version=NEWEST, crds=crds)]

    assert [] == said


@on_both_ends
@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_a_good_object_has_no_findings(crds, text, version):
    (document,) = documents(text)

    assert [] == findings(document, version=version, crds=crds)


BAD = {
    "isvc, top": (INFERENCE_SERVICE, "spec:", "sepc: {}\nspec:", "at the top: Additional properties are not allowed"),
    "isvc, predictor": (INFERENCE_SERVICE, "minReplicas", "minReplica", "'minReplica' was unexpected"),
    "isvc, pod": (INFERENCE_SERVICE, "runAsNonRoot", "runAsNonroot", "'runAsNonroot' was unexpected"),
    "isvc, probe": (INFERENCE_SERVICE, "httpGet", "httpget", "'httpget' was unexpected"),
    "isvc, type": (INFERENCE_SERVICE, "minReplicas: 1", "minReplicas: one", "'one' is not of type 'integer'"),
    "isvc, quantity": (INFERENCE_SERVICE, "memory: 1Gi", "memory: 1GiB", "'1GiB' does not match"),
    "isvc, port": (INFERENCE_SERVICE, "port: http", "port: 1.5", "1.5 is not of type"),
    "isvc, metadata": (INFERENCE_SERVICE, "{name: digits}", "{name: digits, label: {}}", "'label' was unexpected"),
    "isvc, name": (INFERENCE_SERVICE, "{name: digits}", "{name: 9digits}", "the name '9digits' does not match"),
    "runtime": (SERVING_RUNTIME, "image:", "imgae:", "'imgae' was unexpected"),
    "runtime, pod field": (
        SERVING_RUNTIME,
        "spec:",
        "spec:\n  serviceAccountName: a",
        "'serviceAccountName' was unexp",
    ),
    "scaled object": (SCALED_OBJECT, "triggers", "trigger", "'triggers' is a required property"),
    "scaled object, number": (
        SCALED_OBJECT,
        '"5"',
        "5",
        "spec.triggers.0.metadata.threshold: 5 is not of type 'string'",
    ),
    "pod monitor": (POD_MONITOR, "podMetricsEndpoints", "endpoints", "'endpoints' was unexpected"),
    "pod monitor, pattern": (POD_MONITOR, "15s", "15 s", "'15 s' does not match"),
    "route": (HTTP_ROUTE, "backendRefs", "backends", "'backends' was unexpected"),
    "deployment": (DEPLOYMENT, "matchLabels", "matchLabel", "'matchLabel' was unexpected"),
    "deployment, number": (DEPLOYMENT, "labels: {app: digits}", "labels: {app: 1}", "labels.app: 1 is not of type"),
    "label": (DEPLOYMENT, "{name: digits}", "{name: digits, labels: {a: b c}}", "the value 'b c' of label a does not"),
    "null": (DEPLOYMENT, "{cpu: 100m}", "", "containers.0.resources.limits: an empty value; leave the key out"),
    "unknown version": (SCALED_OBJECT, "keda.sh/v1alpha1", "keda.sh/v2", "no schema knows keda.sh/v2 ScaledObject"),
    "unknown kind": (DEPLOYMENT, "kind: Deployment", "kind: Deploiment", "no schema knows apps/v1 Deploiment"),
    "removed api": (DEPLOYMENT, "apps/v1", "apps/v1beta2", "no schema knows apps/v1beta2 Deployment"),
    "foreign group": (DEPLOYMENT, "apps/v1", "apps.example.com/v1", "no schema knows apps.example.com/v1 Deployment"),
}


@pytest.mark.parametrize(("text", "before", "after", "expected"), BAD.values(), ids=BAD)
def test_a_bad_object_is_found(crds, text, before, after, expected):
    assert before in text
    (document,) = documents(text.replace(before, after, 1))
    said = findings(document, version=NEWEST, crds=crds)

    assert [sentence for sentence in said if expected in sentence], said


STRUCTURAL = {
    "type": "object",
    "properties": {
        "port": {"x-kubernetes-int-or-string": True},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "dropped": {"type": "object"},
        "whole": {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}},
        "maybe": {"type": "string", "nullable": True},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}},
    },
    "oneOf": [{"required": ["port"], "properties": {"port": {}}}, {"required": ["maybe"]}],
}


def test_what_only_constrains_a_value_names_no_fields():
    assert STRUCTURAL["oneOf"] == closed_schema(STRUCTURAL)["oneOf"]


@pytest.mark.parametrize(
    ("value", "takes"),
    [
        ({"port": 1}, True),
        ({"port": "http"}, True),
        ({"port": []}, False),
        ({"port": 1, "open": {"x": 1}}, True),
        ({"port": 1, "dropped": {}}, True),
        ({"port": 1, "dropped": {"x": 1}}, False),
        ({"port": 1, "whole": {"kind": "Pod", "metadata": {"name": "x"}}}, True),
        ({"port": 1, "whole": {"x": 1}}, False),
        ({"maybe": None}, True),
        ({"port": None}, False),
        ({"port": 1, "map": {"k": {"a": "b"}}}, True),
        ({"port": 1, "map": {"k": {"b": "b"}}}, False),
        ({"port": 1, "x": 1}, False),
        ({"dropped": {}}, False),
    ],
    ids=str,
)
def test_a_structural_schema_takes_what_the_api_server_keeps(value, takes):
    from jsonschema import Draft4Validator

    before = copy.deepcopy(STRUCTURAL)

    assert takes is Draft4Validator(closed_schema(STRUCTURAL)).is_valid(value)
    assert before == STRUCTURAL
