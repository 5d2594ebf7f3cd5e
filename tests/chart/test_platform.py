"""k8s/namespaces.yaml and k8s/platform: what a cluster needs before the charts; and the pages in k8s/ that command."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart import pod_security
from tests.chart.pods import pods
from tests.chart.rendering import ROOT, documents, rendered
from tests.chart.schemas import NEWEST, OLDEST, findings

K8S = ROOT / "k8s"
# These two are generated from the chart; test_manifests.py compares them with it.
GENERATED = {K8S / "base", K8S / "overlays"}
WRITTEN = sorted(path for path in K8S.rglob("*.yaml") if not GENERATED & set(path.parents))
PAGES = [*sorted(K8S.rglob("README.md")), ROOT / "docs" / "cluster.md"]
SCRIPTS = sorted(K8S.rglob("*.sh"))
# Read by kind and by eksctl, never by an API server.
TOOLS_OWN_KINDS = ("kind.x-k8s.io/", "eksctl.io/")
PINS = re.compile(r"^\t(?P<module>\S+) (?P<version>v\S+)$", re.MULTILINE)


def page_id(path):
    return str(path.relative_to(ROOT))


def read(path):
    return yaml.safe_load((K8S / path).read_text())


def objects(path):
    return [d for d in yaml.safe_load_all(path.read_text()) if isinstance(d, dict) and {"apiVersion", "kind"} <= set(d)]


def module(name):
    """Return the folder of a Go module that `make tools` downloads, of the version that it pins."""
    pinned = dict(PINS.findall((ROOT / "tools" / "crds" / "go.mod").read_text()))
    go_path = Path(os.environ.get("GOPATH") or Path.home() / "go")
    cache = Path(os.environ.get("GOMODCACHE") or go_path / "pkg" / "mod")
    return cache / f"{name}@{pinned[name]}"


def commands(page):
    """Return the commands of a page's shell blocks, each as a list of words, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def charts_in_commands(page):
    """Return (chart, version) for each `helm` command that names a version."""
    found = []
    for words in commands(page):
        if "--version" in words:
            (chart,) = [word for word in words if word.startswith("oci://") or re.fullmatch(r"[a-z-]+/[a-z-]+", word)]
            found.append((chart, words[words.index("--version") + 1]))
    return found


def charts_in_tables(page):
    """Return (chart, version) for each row of the tables that have such columns."""
    found, header = [], []
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        elif {"chart", "version"} <= set(header) and not cells[0].startswith("---"):
            row = dict(zip(header, cells, strict=True))
            found.append((row["chart"], row["version"]))
    return found


@pytest.mark.parametrize("path", WRITTEN, ids=page_id)
def test_every_file_says_first_what_it_is_for(path):
    assert path.read_text().startswith("# ")
    assert list(yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("path", WRITTEN, ids=page_id)
def test_every_object_is_one_that_its_api_server_accepts(path, version, crds):
    known = [d for d in objects(path) if not d["apiVersion"].startswith((*TOOLS_OWN_KINDS, "karpenter.k8s.aws/"))]

    assert [] == [said for document in known for said in findings(document, version=version, crds=crds)]


@pytest.mark.parametrize("page", [page for page in PAGES if charts_in_tables(page)], ids=page_id)
def test_a_version_is_the_same_in_the_table_and_in_the_command(page):
    listed = {(chart, version) for chart, version in charts_in_tables(page) if "/" in chart}

    assert listed == set(charts_in_commands(page))


def test_a_chart_has_one_version_on_all_pages():
    versions = {}
    for chart, version in (pin for page in PAGES for pin in charts_in_commands(page)):
        versions.setdefault(chart, set()).add(version)

    assert {} == {chart: found for chart, found in versions.items() if len(found) > 1}


def test_the_platform_is_of_the_versions_that_our_objects_are_checked_against():
    pinned = dict(PINS.findall((ROOT / "tools" / "crds" / "go.mod").read_text()))
    installed = dict(charts_in_tables(K8S / "platform" / "README.md") + charts_in_tables(K8S / "nodes" / "README.md"))
    ours = {
        "standard-install.yaml": pinned["sigs.k8s.io/gateway-api"],
        "oci://ghcr.io/kserve/charts/kserve-crd": pinned["github.com/kserve/kserve"],
        "oci://ghcr.io/kserve/charts/kserve-resources": pinned["github.com/kserve/kserve"],
        "kedacore/keda": pinned["github.com/kedacore/keda/v2"].removeprefix("v"),
        "oci://public.ecr.aws/karpenter/karpenter": pinned["sigs.k8s.io/karpenter"].removeprefix("v"),
    }

    assert ours == {chart: installed[chart] for chart in ours}
    assert any(f"/{ours['standard-install.yaml']}/standard-install.yaml" in " ".join(words) for words in all_commands())


def all_commands():
    return [words for page in PAGES for words in commands(page)]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_file_that_a_command_names_is_there(page):
    named = [word for words in commands(page) for word in words if re.match(r"(k8s|helm|docker)/", word)]

    assert [] == [word for word in named if not (ROOT / word).exists()]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_on_a_page_leads_somewhere(page):
    broken = []
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve()
        headings = re.findall(r"^#+ (.*)$", there.read_text(), flags=re.MULTILINE) if there.suffix == ".md" else []
        anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
        if not there.exists() or (anchor and anchor not in anchors):
            broken.append(target)

    assert [] == broken


@pytest.mark.parametrize("script", SCRIPTS, ids=page_id)
def test_every_script_is_one_that_bash_understands(script):
    checked = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)

    assert "" == checked.stderr
    assert os.access(script, os.X_OK)


def namespaces():
    return {d["metadata"]["name"]: d["metadata"]["labels"] for d in objects(K8S / "namespaces.yaml")}


def test_every_namespace_that_a_command_names_is_made_with_a_pod_security_level():
    named = {words[words.index("--namespace") + 1] for words in all_commands() if "--namespace" in words}
    made = {name for name, labels in namespaces().items() if "pod-security.kubernetes.io/enforce" in labels}

    assert named - {"kube-system", "default"} <= made


@pytest.mark.parametrize("name", ["serving", "training", "loadtest"])
def test_our_namespaces_refuse_all_but_restricted_pods(name):
    labels = {key.removeprefix("pod-security.kubernetes.io/"): value for key, value in namespaces()[name].items()}

    assert {"restricted"} == {labels[mode] for mode in ("enforce", "warn", "audit")}
    assert f"v{OLDEST.rpartition('.')[0]}" == labels["enforce-version"]


def unknown_keys(values, defaults, path=""):
    """Return the keys that a chart does not have; below an empty default, anything goes."""
    for key, value in values.items():
        if key not in defaults:
            yield path + key
        elif isinstance(value, dict) and defaults[key]:
            yield from unknown_keys(value, defaults[key], f"{path}{key}.")


@pytest.fixture
def kserve_chart(crds):
    folder = module("github.com/kserve/kserve") / "charts" / "kserve-resources"
    assert folder.is_dir(), f"{crds} came from {folder}, which is gone: run `make tools` again"

    return folder


def test_kserve_knows_every_value_that_we_set(kserve_chart):
    defaults = yaml.safe_load((kserve_chart / "values.yaml").read_text())

    assert [] == list(unknown_keys(read("platform/kserve-values.yaml"), defaults))


def test_kserve_leaves_routes_to_us_and_tells_the_address_that_answers(kserve_chart):
    release = rendered(kserve_chart, K8S / "platform" / "kserve-values.yaml", namespace="kserve")
    config = release["ConfigMap", "inferenceservice-config"]["data"]
    ingress = documents(config["ingress"])[0]

    assert {"defaultDeploymentMode": "Standard"} == documents(config["deploy"])[0]
    assert (True, False) == (ingress["disableIngressCreation"], ingress["enableGatewayApi"])
    assert "{{ .Name }}-predictor.{{ .Namespace }}.{{ .IngressDomain }}" == ingress["domainTemplate"]
    assert "svc.cluster.local" == ingress["ingressDomain"]


def test_kserves_pods_are_accepted_in_their_namespace(kserve_chart):
    release = rendered(kserve_chart, K8S / "platform" / "kserve-values.yaml", namespace="kserve")

    assert "restricted" == namespaces()["kserve"]["pod-security.kubernetes.io/enforce"]
    assert [] == [said for pod in pods(release) for said in pod_security.findings(pod)]
    assert pods(release)


def test_the_webhook_that_every_new_replica_passes_has_a_second_pod(kserve_chart):
    release = rendered(kserve_chart, K8S / "platform" / "kserve-values.yaml", namespace="kserve")
    webhooks = [
        (webhook["failurePolicy"], webhook["clientConfig"]["service"]["path"])
        for (kind, _), document in release.items()
        if kind == "MutatingWebhookConfiguration"
        for webhook in document["webhooks"]
    ]
    scaled = [words for words in commands(K8S / "platform" / "README.md") if words[:2] == ["kubectl", "scale"]]

    assert ("Fail", "/mutate-pods") in webhooks
    assert "replicas" not in release["Deployment", "kserve-controller-manager"]["spec"]
    assert [["deployment", "kserve-controller-manager", "--namespace", "kserve", "--replicas=2"]] == [
        words[2:] for words in scaled
    ]


def adapter_name(series):
    """Return the metric's name as the adapter makes it from a series; None if no rule takes the series."""
    for rule in read("platform/prometheus-adapter-values.yaml")["rules"]["external"]:
        (wanted,) = re.findall(r'__name__=~"([^"]*)"', rule["seriesQuery"])
        if re.fullmatch(wanted, series) and re.search(rule["name"]["matches"], series):
            return re.sub(rule["name"]["matches"], rule["name"]["as"].replace("$", "\\"), series)
    return None


def test_the_adapter_serves_the_metrics_that_an_hpa_asks_for():
    release = rendered("serving", ROOT / "helm" / "serving" / "ci" / "hpa-values.yaml")
    records = [
        rule["record"]
        for (kind, _), document in release.items()
        if kind == "PrometheusRule"
        for group in document["spec"]["groups"]
        for rule in group["rules"]
        if "record" in rule
    ]
    metrics = release["HorizontalPodAutoscaler", "demo"]["spec"]["metrics"]
    asked = {metric["external"]["metric"]["name"] for metric in metrics}

    assert asked
    assert asked <= {adapter_name(record) for record in records}


def test_the_adapter_asks_the_prometheus_that_the_chart_names():
    adapter = read("platform/prometheus-adapter-values.yaml")["prometheus"]
    chart = yaml.safe_load((ROOT / "helm" / "serving" / "values.yaml").read_text())

    assert chart["autoscaling"]["prometheus"]["serverAddress"] == f"{adapter['url']}:{adapter['port']}"


def test_prometheus_picks_up_objects_of_any_release():
    spec = read("platform/kube-prometheus-stack-values.yaml")["prometheus"]["prometheusSpec"]

    assert {False} == {spec[f"{kind}SelectorNilUsesHelmValues"] for kind in ("podMonitor", "serviceMonitor", "rule")}


def test_grafana_loads_the_dashboards_that_the_chart_labels():
    sidecar = read("platform/kube-prometheus-stack-values.yaml")["grafana"]["sidecar"]["dashboards"]
    chart = yaml.safe_load((ROOT / "helm" / "serving" / "values.yaml").read_text())

    assert sidecar["labelValue"] == chart["monitoring"]["dashboard"]["labels"][sidecar["label"]]


def test_training_on_a_laptop_publishes_where_serving_reads():
    published = read("kind/training-values.yaml")["repository"]
    served = yaml.safe_load((ROOT / "helm" / "serving" / "ci" / "cpu-values.yaml").read_text())["model"]["storageUri"]
    (claim,) = objects(K8S / "kind" / "claim.yaml")
    job = rendered("training", K8S / "kind" / "training-values.yaml", namespace=claim["metadata"]["namespace"])

    assert f"pvc://{published['claim']}/{published['path']}" == served
    assert claim["metadata"]["name"] == published["claim"]
    assert "Job" in {kind for kind, _ in job}
