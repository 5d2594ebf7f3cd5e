"""Every chart renders in every scenario, and its templates are written as CONTRIBUTING.md asks."""

from __future__ import annotations

import subprocess

import helm_python
import pytest
import yaml

from tests.chart.rendering import (
    charts,
    every_scenario,
    folder,
    manifests,
    rendered,
    scenario_id,
    scenarios,
    values_of,
)
from tests.chart.small_chart import CONFIG_MAP, small_chart
from tests.chart.template_rules import findings, guarded
from tests.chart.values_rules import schema_of

every_chart = pytest.mark.parametrize("chart", charts(), ids=scenario_id)
in_every_scenario = pytest.mark.parametrize(("chart", "scenario"), every_scenario(), ids=scenario_id)
RECOMMENDED = {"name", "instance", "version", "managed-by", "component"}


class KeyNamedTwiceError(Exception):
    """A mapping has two values for one key."""


class OneValueAKey(yaml.CSafeLoader):
    """YAML in which no mapping names a key twice; Helm would keep the last in silence."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise KeyNamedTwiceError(f"line {node.start_mark.line + 1} and below names {key} twice")
        return super().construct_mapping(node, deep=deep)


def refuse_keys_named_twice(path, text):
    try:
        list(yaml.load_all(text, Loader=OneValueAKey))
    except KeyNamedTwiceError as error:
        pytest.fail(f"{path}: {error}")


def test_there_are_three_charts():
    assert ["loadtest", "serving", "training"] == [chart.name for chart in charts()]


@every_chart
def test_a_chart_shows_what_it_supports(chart):
    first_lines = [path.read_text().partition("\n")[0] for path in scenarios(chart)]

    assert first_lines, f"{chart}/ci has no *-values.yaml"
    assert all(line.startswith("# ") for line in first_lines)


@every_chart
def test_the_chart_says_what_it_is(chart):
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    expected = {"name": f"slipway-{chart.name}", "apiVersion": "v2", "type": "application", "kubeVersion": ">=1.32.0-0"}

    assert expected == {key: about.get(key) for key in expected}
    assert about["description"]


@in_every_scenario
def test_every_scenario_renders(chart, scenario):
    objects = rendered(chart, scenario)

    assert objects


@in_every_scenario
def test_no_mapping_names_a_key_twice(chart, scenario):
    for path, text in manifests(chart, scenario).items():
        if path.endswith(".yaml"):
            refuse_keys_named_twice(path, text)


@in_every_scenario
def test_every_scenario_renders_as_an_upgrade(chart, scenario):
    assert rendered(chart, scenario).keys() == rendered(chart, scenario, upgrade=True).keys()


@in_every_scenario
def test_helm_lints_without_a_warning(helm, chart, scenario):
    command = [helm, "lint", "--strict", "--quiet", "--kube-version", "1.32.0", "-f", scenario, chart]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)

    assert answer.returncode == 0, answer.stdout + answer.stderr


@every_chart
def test_an_older_kubernetes_is_refused(helm, chart):
    command = [helm, "template", "demo", chart, "-f", scenarios(chart)[0], "--kube-version", "1.31.0"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "chart requires kubeVersion: >=1.32.0-0" in answer.stderr


@in_every_scenario
def test_notes_tell_what_to_do_next(notes, chart, scenario):
    said = notes(chart, scenario, release="demo", namespace="somewhere")

    assert "somewhere" in said
    assert "<no value>" not in said


@in_every_scenario
def test_no_value_is_missing_from_a_manifest(chart, scenario):
    said = [path for path, text in manifests(chart, scenario).items() if "<no value>" in text or "%!" in text]

    assert [] == said


@in_every_scenario
def test_every_object_carries_the_recommended_labels(chart, scenario):
    lacking = {
        key: sorted(lacks)
        for key, document in rendered(chart, scenario).items()
        if (
            lacks := {f"app.kubernetes.io/{name}" for name in RECOMMENDED}
            - (document["metadata"].get("labels") or {}).keys()
        )
        or "helm.sh/chart" not in document["metadata"]["labels"]
    }

    assert {} == lacking


@in_every_scenario
def test_every_namespaced_object_is_in_the_release_namespace(chart, scenario):
    objects = rendered(chart, scenario, namespace="somewhere")
    namespaces = {document["metadata"].get("namespace", "somewhere") for document in objects.values()}

    assert {"somewhere"} == namespaces


@in_every_scenario
def test_two_releases_share_no_name(chart, scenario):
    shared = rendered(chart, scenario, release="one").keys() & rendered(chart, scenario, release="two").keys()
    named_by_the_user = scenario.read_text()

    assert [] == [key for key in shared if key[1] not in named_by_the_user]


@every_chart
def test_templates_are_short_guarded_and_named_after_their_chart(chart):
    assert [] == findings(chart)


@every_chart
def test_a_template_holds_one_object_and_its_guard_comes_first(chart):
    seen = [manifests(chart, scenario) for scenario in scenarios(chart)]
    templates = sorted({path for texts in seen for path in texts if path.endswith(".yaml")})
    counts = {
        path: {text.count("\nkind:") + text.startswith("kind:") for texts in seen for text in [texts.get(path, "")]}
        for path in templates
    }

    assert {} == {path: most for path, counted in counts.items() if (most := max(counted)) > 1}
    assert [] == [path for path, counted in counts.items() if counted == {0}], "shown by no scenario"
    assert [] == [path for path in templates if 0 in counts[path] and not guarded(chart / path)]


BAD_TEMPLATES = {
    "too long": ({"long.yaml": CONFIG_MAP + "# more\n" * 150}, "158 lines; at most 150"),
    "a default": (
        {"map.yaml": CONFIG_MAP.replace(".paint.colour", '.paint.colour | default "red"')},
        "hides a default",
    ),
    "two objects": ({"map.yaml": f"{CONFIG_MAP}---\n{CONFIG_MAP}"}, "more than one object"),
    "a late guard": ({"map.yaml": f"# a map\n{CONFIG_MAP}"}, "expected a guard or an object on the first line"),
    "a foreign helper": (
        {"_more.tpl": '{{ define "name" }}{{ include "name" . }}{{ end }}'},
        "name does not begin with slipway-small.",
    ),
    "a dead helper": (
        {"_more.tpl": '{{ define "slipway-small.x" }}{{ end }}'},
        "slipway-small.x is defined and nobody",
    ),
}


@pytest.mark.parametrize(("templates", "expected"), BAD_TEMPLATES.values(), ids=BAD_TEMPLATES)
def test_a_badly_written_template_is_found(tmp_path, templates, expected):
    (said,) = findings(small_chart(tmp_path, templates=templates))

    assert expected in said


def test_a_well_written_chart_has_no_findings(tmp_path):
    assert [] == findings(small_chart(tmp_path))


def test_the_tag_may_default_to_the_version_of_the_application(tmp_path):
    template = CONFIG_MAP.replace(".paint.colour", ".paint.colour | default .Chart.AppVersion")

    assert [] == findings(small_chart(tmp_path, templates={"map.yaml": template}))


def test_a_helper_whose_name_is_put_together_is_alive(tmp_path):
    helper = '{{ define "slipway-small.redPaint" }}{{ end }}{{ include (printf "slipway-small.%sPaint" "red") . }}'

    assert [] == findings(small_chart(tmp_path, templates={"_more.tpl": helper}))


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("{{- if .Values.enabled }}\n", True),
        ('{{- include "slipway-small.requirements" . }}\n{{- if .Values.enabled }}\n', True),
        ("apiVersion: v1\n{{- if .Values.enabled }}\n", False),
        ('{{- include "slipway-small.requirements" . -}}\napiVersion: v1\n', False),
    ],
    ids=["guard", "check, guard", "object, guard", "check, object"],
)
def test_a_guard_stands_before_the_object(tmp_path, first, expected):
    template = tmp_path / "map.yaml"
    template.write_text(first)

    assert expected is guarded(template)


def test_a_comment_may_speak_of_defaults(tmp_path):
    template = CONFIG_MAP.replace("data:", "data:\n  {{- /* by default | default\n  {{ red }} */}}")

    assert [] == findings(small_chart(tmp_path, templates={"map.yaml": template}))


def test_two_objects_of_one_name_are_refused(render, tmp_path):
    chart = small_chart(tmp_path, templates={"again.yaml": CONFIG_MAP})

    with pytest.raises(
        AssertionError, match=r"templates/map\.yaml: the release has two objects \('ConfigMap', 'demo'\)"
    ):
        render(chart, {})


def test_a_key_that_is_named_twice_is_found():
    with pytest.raises(pytest.fail.Exception, match=r"map\.yaml: line 2 and below names b twice"):
        refuse_keys_named_twice("map.yaml", "a:\n  b: 1\n  b: 2\n")


def test_a_chart_is_named_by_its_folder(tmp_path):
    chart = small_chart(tmp_path)

    assert chart == folder(chart)
    assert "serving" == folder("serving").name
    assert ("ConfigMap", "demo") in rendered(chart, {})


def test_values_that_the_schema_refuses_are_refused_by_render(render, tmp_path):
    with pytest.raises(helm_python.HelmError, match="at '/paint': additional properties 'color' not allowed"):
        render(small_chart(tmp_path), {"paint": {"color": "red"}})


def test_capabilities_and_upgrades_reach_the_templates(render, tmp_path):
    shown = '.Capabilities.KubeVersion.Minor }} {{ .Capabilities.APIVersions.Has "keda.sh/v1" }} {{ .Release.Revision'
    chart = small_chart(tmp_path, templates={"map.yaml": CONFIG_MAP.replace(".Values.paint.colour", shown)})
    objects = render(chart, {}, kube_version="v1.33.0", api_versions=["keda.sh/v1"], upgrade=True)

    assert "33 true 2" == objects["ConfigMap", "demo"]["data"]["colour"]


@every_chart
def test_no_list_of_peers_that_is_emptied_opens_a_network_policy(chart):
    """Kubernetes reads a rule without peers as one for everybody."""
    keys = schema_of(chart)["properties"]["networkPolicy"]["properties"]
    lists = {key: [] for key, about in keys.items() if about["type"] == "array" and not about.get("minItems")}
    emptied = {**values_of(scenarios(chart)[0]), "networkPolicy": lists}
    policies = [found["spec"] for (kind, _), found in rendered(chart, emptied).items() if kind == "NetworkPolicy"]
    rules = [rule for spec in policies for way in ("ingress", "egress") for rule in spec.get(way) or ()]

    assert policies
    assert [] == [rule for rule in rules if not (rule.get("from") or rule.get("to"))]
