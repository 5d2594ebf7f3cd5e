"""`helm upgrade` from any scenario to any other is possible: nothing changes that Kubernetes or KServe holds fixed."""

from __future__ import annotations

import copy
import itertools
import shutil

import pytest

from tests.chart.immutable import FIXED, changes
from tests.chart.rendering import charts, every_scenario, rendered, scenario_id, scenarios
from tests.chart.small_chart import small_chart

PAIRS = [(chart, *pair) for chart in charts() for pair in itertools.permutations(scenarios(chart), 2)]


@pytest.mark.parametrize(("chart", "before", "after"), PAIRS, ids=scenario_id)
def test_an_upgrade_changes_nothing_immutable(chart, before, after):
    assert [] == changes(rendered(chart, before), rendered(chart, after, upgrade=True))


@pytest.mark.parametrize(("chart", "scenario"), every_scenario(), ids=scenario_id)
def test_a_newer_chart_changes_nothing_immutable(tmp_path, chart, scenario):
    newer = shutil.copytree(chart, tmp_path / chart.name)
    about = (newer / "Chart.yaml").read_text().splitlines()
    about = [line for line in about if not line.startswith(("version:", "appVersion:"))]
    (newer / "Chart.yaml").write_text("\n".join([*about, "version: 99.0.0", 'appVersion: "99.0.0"', ""]))

    assert [] == changes(rendered(chart, scenario), rendered(newer, scenario, upgrade=True))


CHANGES = {
    "Job": ({"spec": {"template": {"a": 1}}}, {"spec": {"template": {"a": 2}}}, "template"),
    "Job, completions": ({"spec": {"completions": 1}}, {"spec": {"completions": 2}}, "completions"),
    "Job, mode": ({"spec": {}}, {"spec": {"completionMode": "Indexed"}}, "completionMode"),
    "PersistentVolumeClaim": ({"spec": {"accessModes": ["a"]}}, {"spec": {"accessModes": ["b"]}}, "accessModes"),
    "Deployment": ({"spec": {"selector": {"a": "1"}}}, {"spec": {"selector": {"a": "2"}}}, "selector"),
    "StatefulSet": ({"spec": {"serviceName": "a"}}, {"spec": {"serviceName": "b"}}, "serviceName"),
    "DaemonSet": ({"spec": {"selector": {"a": "1"}}}, {"spec": {"selector": {"a": "2"}}}, "selector"),
    "ReplicaSet": ({"spec": {"selector": {"a": "1"}}}, {"spec": {"selector": {"a": "2"}}}, "selector"),
    "Pod": ({"spec": {"containers": []}}, {"spec": {"containers": [{}]}}, "spec"),
    "PriorityClass": ({"value": -1}, {"value": -2}, "value"),
    "Service": ({"spec": {}}, {"spec": {"clusterIP": "None"}}, "clusterIP"),
    "StorageClass": ({"provisioner": "a"}, {"provisioner": "b"}, "provisioner"),
    "RoleBinding": ({"roleRef": {"name": "a"}}, {"roleRef": {"name": "b"}}, "roleRef"),
    "ClusterRoleBinding": ({"roleRef": {"name": "a"}}, {"roleRef": {"name": "b"}}, "roleRef"),
    "Secret": ({"type": "Opaque"}, {"type": "kubernetes.io/tls"}, "type"),
    "ConfigMap": ({"immutable": True, "data": {"a": "1"}}, {"immutable": True, "data": {"a": "2"}}, "data"),
    "ConfigMap, opened": ({"immutable": True}, {"immutable": False}, "immutable"),
    "InferenceService": ({"spec": {"predictor": {}}}, {"spec": {"predictor": {"name": "b"}}}, "predictor.name"),
}
ALLOWED = {
    "Job, parallelism": ({"spec": {"parallelism": 1}}, {"spec": {"parallelism": 2}}),
    "Job, indexed": (
        {"spec": {"completionMode": "Indexed", "completions": 1}},
        {"spec": {"completionMode": "Indexed", "completions": 2}},
    ),
    "PersistentVolumeClaim": ({"spec": {"resources": {"a": 1}}}, {"spec": {"resources": {"a": 2}}}),
    "Deployment": ({"spec": {"replicas": 1, "template": 1}}, {"spec": {"replicas": 2, "template": 2}}),
    "StatefulSet": ({"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}),
    "Service": ({"spec": {"ports": [1]}}, {"spec": {"ports": [2]}}),
    "ConfigMap": ({"data": {"a": "1"}}, {"data": {"a": "2"}}),
    "ConfigMap, sealed": ({"data": {"a": "1"}}, {"data": {"a": "2"}, "immutable": True}),
    "ScaledObject": ({"spec": {"a": 1}}, {"spec": {"a": 2}}),
}


def release(kind, document, *, name="demo", annotations=None):
    kind = kind.partition(",")[0]
    return {(kind, name): {**copy.deepcopy(document), "metadata": {"name": name, "annotations": annotations or {}}}}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_of_what_is_fixed_is_found(kind):
    before, after, field = CHANGES[kind]
    (said,) = changes(release(kind, before), release(kind, after))

    assert f"{kind.partition(',')[0]}/demo: {field} is fixed at" in said


def test_each_kind_is_shown_to_bite():
    assert FIXED.keys() == {kind.partition(",")[0] for kind in CHANGES}


@pytest.mark.parametrize("kind", ALLOWED)
def test_a_change_of_anything_else_is_allowed(kind):
    before, after = ALLOWED[kind]

    assert [] == changes(release(kind, before), release(kind, after))


def test_the_deployment_mode_is_fixed():
    service = {"spec": {"predictor": {}}}
    modes = [{"serving.kserve.io/deploymentMode": mode} for mode in ("Standard", "Knative")]
    (said,) = changes(*(release("InferenceService", service, annotations=mode) for mode in modes))

    assert "deploymentMode is fixed at 'Standard' and would become 'Knative'" in said


def test_objects_of_different_names_are_different_objects():
    before, after, _ = CHANGES["Job"]

    assert [] == changes(release("Job", before, name="demo-1"), release("Job", after, name="demo-2"))


def test_a_hook_is_made_anew_each_time():
    before, after, _ = CHANGES["Job"]
    hook = {"helm.sh/hook": "post-upgrade"}

    assert [] == changes(release("Job", before, annotations=hook), release("Job", after, annotations=hook))


def test_a_version_in_a_selector_is_found(tmp_path):
    template = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  selector:
    matchLabels:
      helm.sh/chart: {{ .Chart.Version }}
"""
    chart = small_chart(tmp_path, templates={"map.yaml": template})
    before = rendered(chart, {})
    about = chart / "Chart.yaml"
    about.write_text(about.read_text().replace("version: 0.1.0", "version: 0.2.0"))
    (said,) = changes(before, rendered(chart, {}, upgrade=True))

    assert "Deployment/demo: selector is fixed at" in said
